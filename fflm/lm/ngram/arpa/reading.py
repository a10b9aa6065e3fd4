"""An n-gram model from an ARPA file: lines, the checks of them, and the tree that their n-grams make."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from fflm.config import TokenizerConfig, make
from fflm.errors import LONGEST_EXCERPT, ModelFileError, TextError, shown
from fflm.lm.ngram.arpa.notation import ARPA_TEXT, LN10, LOG10_ZERO, TOKENIZER
from fflm.lm.ngram.backoff import NgramModel
from fflm.lm.ngram.table import NgramTable
from fflm.storage.contents import TEXT, Content, unpacked
from fflm.storage.files import one_line
from fflm.text import NewIds, Tokenizer, Vocabulary
from fflm.text.vocabulary import SPECIALS

HIGHEST_ORDER, BLOCK_BYTES = 20, 2**22
# Lines are cut at these only, as by KenLM and SRILM: every other byte may stand in words.
BLANKS = b" \t\n\r"
BLANK = np.isin(np.arange(256), list(BLANKS))
_WORDS = re.compile(rb"[^ \t\n\r]+")
SPECIAL_IDS = {b"<unk>": Vocabulary.UNK, b"<UNK>": Vocabulary.UNK, b"<s>": Vocabulary.BOS, b"</s>": Vocabulary.EOS}
_COUNT = re.compile(rb"ngram (\d{1,9}) ?= ?(\d{1,18})")
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|-inf(inity)?", re.IGNORECASE)


def read_arpa(
    path: str | Path,
    tokenizer: Tokenizer | dict[str, Any] | None = None,
    vocabulary: Vocabulary | None = None,
    threads: int | None = None,
) -> NgramModel:
    r"""Read an ARPA file as KenLM's lmplz, SRILM's ngram-count or `arpa_lines` write it; also compressed.

    The n-grams of a section may stand in any order; one without a back-off weight has the weight 1. The beginning of an
    n-gram must be in the file (as KenLM asks; SRILM passes such n-grams over), its end need not, as in pruned models.
    ``<UNK>`` is ``<unk>``; where neither is in the file, unknown words have probability 0, and so has a missing
    ``</s>``. ``<s>`` is never predicted, whatever its probability.

    Parameters
    ----------
    path : path
    tokenizer : Tokenizer, or options of one, optional
        How text becomes the words of the file. Options change those that the file names, or else those of lines of
        words with blanks between them.
    vocabulary : Vocabulary, optional
        Its words must be those of the file; without, the ids are in the order of the file.
    threads : int, optional

    Raises
    ------
    ModelFileError
        If it can't be read, is not a sound ARPA file, has other words, or lacks the word ``<eos>`` that the boundary
        of this name needs.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig, make
    >>> text = "\\data\\\nngram 1=3\n\n\\1-grams:\n-0.301\t</s>\n-99\t<s>\n-0.301\tyes\n\n\\end\\\n"
    >>> _ = Path("yes.arpa").write_text(text)
    >>> model = read_arpa("yes.arpa", Tokenizer(TokenizerConfig(boundary="line")))
    >>> model.next_word(np.zeros((1, 0), np.int32)).round(3).tolist()
    [[0.0, 0.0, 0.5, 0.5]]
    """
    new = NewIds(SPECIAL_IDS)
    ids: dict[bytes, int] = new
    if vocabulary is not None:
        ids = SPECIAL_IDS | {word.encode("utf-8", "surrogatepass"): i for i, word in enumerate(vocabulary.words)}
    try:
        with unpacked(path) as (stream, content):
            file = _File(path, stream, content)
            sizes = file.sizes()
            tokenizer = tokenizer if isinstance(tokenizer, Tokenizer) else file.tokenizer(tokenizer or {})
            unigrams = file.section(1, sizes[0], ids)
            vocabulary = vocabulary or _vocabulary(file, new.words)
            if tokenizer.end_word is not None and tokenizer.end_word not in vocabulary:
                raise ModelFileError(
                    f"{path} must have the word {shown(tokenizer.end_word)} for the boundary eos, got none; choose the "
                    "boundary line, in which </s> ends a line"
                )
            tree = _Tree(file, vocabulary, *unigrams)
            ids = dict(ids)  # no new words from here on
            for order, size in enumerate(sizes[1:], start=2):
                tree.add(*file.section(order, size, ids))
            file.expect("\\end\\")
    except (OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise ModelFileError(f"{path} can't be read: {reason.lower()}") from error
    facts = {"smoothing": "as in the ARPA file"}
    children = np.concatenate([*tree.children, [tree.starts[-1]]]).astype(np.int64)
    table, backoffs = NgramTable(tree.words, children, tree.links, tuple(tree.starts)), tree.backoffs[: tree.starts[-2]]
    return NgramModel(vocabulary, tokenizer, table, tree.log_probs, backoffs, None, facts, threads)


def _vocabulary(file: _File, words: Sequence[bytes]) -> Vocabulary:
    """Make the vocabulary of the words in the order of the file."""
    try:
        return Vocabulary([*SPECIALS, *(word.decode("utf-8", "surrogatepass") for word in words[3:])])
    except UnicodeDecodeError as error:
        file.fail(f"words must be UTF-8, got {error.object!r}")
    except TextError:
        file.fail("it must have a word besides <unk>, <s> and </s>")


class _Rows(NamedTuple):
    """The lines that are not empty: each begins at a place in `tokens`, whose last is a 0 for a missing field."""

    tokens: np.ndarray
    places: np.ndarray
    fields: np.ndarray
    lines: np.ndarray

    def row(self, i: int | np.integer) -> list[bytes]:
        return list(self.tokens[self.places[i] : self.places[i] + self.fields[i]])

    def part(self, first: int, last: int) -> _Rows:
        return _Rows(self.tokens, *(column[first:last] for column in self[1:]))


def _pieces(stream: BinaryIO) -> Iterator[_Rows]:
    """Yield the lines of a file in pieces; one that begins with a backslash is a piece by itself."""
    number = 1
    while block := stream.read(BLOCK_BYTES):
        block += stream.readline()
        if number == 1:
            block = block.removeprefix(codecs.BOM_UTF8)
        letters = np.frombuffer(block, np.uint8)
        blank = BLANK[letters]
        begins = np.flatnonzero(~blank & np.append(True, blank[:-1]))
        line_of = np.searchsorted(np.flatnonzero(letters == ord("\n")), begins)
        places = np.flatnonzero(np.diff(line_of, prepend=-1))
        fields = np.diff(np.append(places, len(begins)))
        rows = _Rows(np.array([*_split(block), b"0"], object), places, fields, line_of[places] + number)
        marks = np.flatnonzero(letters[begins[places]] == ord("\\"))
        yield from (rows.part(*cut) for cut in pairwise(sorted({0, *marks, *(marks + 1), len(places)})))
        number += block.count(b"\n")


def _split(block: bytes) -> list[bytes]:
    # Faster by half, but it cuts at vertical tabs and form feeds too, which may stand in words.
    return _WORDS.findall(block) if b"\v" in block or b"\f" in block else block.split()


class _File:
    """An ARPA file, read from its beginning to its end."""

    def __init__(self, path: str | Path, stream: BinaryIO, content: Content):
        self.path, self.pieces, self.content = path, _pieces(stream), content
        self.comment: list[bytes] = []

    def fail(self, message: str, line: int | None = None, got: Sequence[bytes] = ()) -> NoReturn:
        where = "" if line is None else f"line {line}: "
        received = f", got {shown(b' '.join(got).decode('utf-8', 'replace'), LONGEST_EXCERPT)}" if got else ""
        raise ModelFileError(f"{self.path} is not a sound ARPA file: {where}{message}{received}")

    def expect(self, mark: str) -> None:
        if self.mark.row(0) != [mark.encode()]:
            self.fail(f"expected {mark}", self.mark.lines[0], self.mark.row(0))

    def sizes(self) -> list[int]:
        """Read how many n-grams of each order the header announces."""
        for rows in self.pieces:
            if rows.row(0) == [b"\\data\\"]:
                break
            for i in range(len(rows.lines)):
                if b" ".join(rows.row(i)[:3]) == TOKENIZER.encode():
                    self.comment = rows.row(i)[3:]
        else:
            raise ModelFileError(
                f"{self.path} is not an ARPA file: it has no line \\data\\"
                + ("" if self.content.name == TEXT.name else f", and is {self.content}")
            )
        sizes: list[int] = []
        for rows in self._until_mark():
            for i, line in enumerate(rows.lines):
                count = _COUNT.fullmatch(b" ".join(rows.row(i)))
                if count is None or int(count[1]) != len(sizes) + 1 or len(sizes) == HIGHEST_ORDER:
                    rule = f"expected ngram {len(sizes) + 1}= and a number, the order at most {HIGHEST_ORDER}"
                    self.fail(rule, line, rows.row(i))
                sizes.append(int(count[2]))
        return sizes or [0]

    def tokenizer(self, options: dict[str, Any]) -> Tokenizer:
        """Make the tokenizer that a comment before the header names, or of words between blanks, with `options`."""
        tokenizer = Tokenizer(ARPA_TEXT)
        if self.comment:
            try:
                tokenizer = Tokenizer.from_state(json.loads(b" ".join(self.comment)))
            except (ValueError, TypeError, AttributeError) as error:
                self.fail(f"the tokenizer before its header is damaged: {one_line(error)}")
        return Tokenizer(make(TokenizerConfig, tokenizer.config.to_dict() | options)) if options else tokenizer

    def section(self, order: int, size: int, ids: dict[bytes, int]) -> list[np.ndarray]:
        """Read the n-grams of one order: ids (n, order) int32 and two columns of float32, natural log P and log b."""
        self.expect(f"\\{order}-grams:")
        parts = [self._parse(rows, order, ids) for rows in self._until_mark()]
        section = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
        if len(section[0]) != size:
            self.fail(f"the header counts {size} {order}-grams, got {len(section[0])}", self.mark.lines[0])
        return section

    def _until_mark(self) -> Iterator[_Rows]:
        """Yield the lines up to the next one with a backslash first, which becomes `mark`; the last piece is empty."""
        for rows in self.pieces:
            if rows.row(0)[0].startswith(b"\\"):
                self.mark = rows
                yield rows.part(0, 0)
                return
            yield rows
        self.fail("it was cut short, \\end\\ is missing")

    def _parse(self, rows: _Rows, order: int, ids: dict[bytes, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weighted = rows.fields == order + 2
        for i in np.flatnonzero(~weighted & (rows.fields != order + 1)):
            self.fail(f"expected log10 P, a {order}-gram and perhaps log10 b", rows.lines[i], rows.row(i))
        columns = [rows.tokens[rows.places + column] for column in range(1, order + 1)]
        try:
            columns = [np.fromiter(map(ids.__getitem__, words), np.int32, len(words)) for words in columns]
        except KeyError as error:
            place = next(i for i, ngram in enumerate(zip(*columns, strict=True)) if error.args[0] in ngram)
            where = "in the vocabulary asked for" if order == 1 else "among the 1-grams"
            self.fail(f"its words must be {where}", rows.lines[place], error.args)
        log_probs = self._numbers(rows.tokens[rows.places], rows.lines, "log10 P must be a number of at most 0", 0.0)
        log_probs[log_probs <= LOG10_ZERO] = -np.inf
        weights = rows.tokens[np.where(weighted, rows.places + order + 1, -1)]
        backoffs = self._numbers(weights, rows.lines, "log10 b must be a number up to 30", 30.0)
        natural = ((column * LN10).astype(np.float32) for column in (log_probs, np.maximum(backoffs, LOG10_ZERO)))
        return np.stack(columns, axis=1), *natural

    def _numbers(self, tokens: np.ndarray, lines: np.ndarray, rule: str, highest: float) -> np.ndarray:
        try:
            numbers = tokens.astype(np.float64)
        except ValueError:
            numbers = np.array([float(token) if _NUMBER.fullmatch(token) else np.nan for token in tokens])
        for bad in np.flatnonzero(~(numbers <= highest)):
            self.fail(rule, lines[bad], [tokens[bad]])
        return numbers


class _Tree:
    """An `NgramTable` that grows order by order, and the numbers of its nodes."""

    def __init__(
        self, file: _File, vocabulary: Vocabulary, ids: np.ndarray, log_probs: np.ndarray, backoffs: np.ndarray
    ):
        size = len(vocabulary)
        self.file, self.vocabulary, self.bits = file, vocabulary, size.bit_length()
        self.words, self.starts = np.arange(size, dtype=np.int32), [0, size]
        self.links = np.full(size, -1, np.int32)
        self.children: list[np.ndarray] = []
        # Parent and last word of each node from V on as one number: they rise. The last is larger than any.
        self.keys = np.array([np.iinfo(np.int64).max])
        self._in_order(ids, ids[:, 0])
        for missing in np.setdiff1d(np.arange(3, size), ids):
            file.fail(f"the word {vocabulary.words[missing]!r} of the vocabulary asked for is missing")
        self.log_probs, self.backoffs = np.full(size, -np.inf, np.float32), np.zeros(size, np.float32)
        self.log_probs[ids[:, 0]], self.backoffs[ids[:, 0]] = log_probs, backoffs
        self.log_probs[Vocabulary.BOS] = -np.inf

    def add(self, ids: np.ndarray, log_probs: np.ndarray, backoffs: np.ndarray) -> None:
        """Add the n-grams of the next order."""
        parents = ids[:, 0].astype(np.int64)
        for column in ids.T[1:-1]:
            parents = self._child(parents, column)
        for place in np.flatnonzero(parents < 0):
            self._fail(ids[place], "must have its beginning, all but the last word, in the file")
        keys = parents << self.bits | ids[:, -1]
        order = self._in_order(ids, keys)
        keys, parents, words = keys[order], parents[order], ids[order, -1]
        first, last = self.starts[-2:]
        fan = np.bincount(parents - first, minlength=last - first)
        self.children.append(last + np.cumsum(fan) - fan)
        self.links = np.append(self.links, self._links(parents, words))
        self.words = np.append(self.words, words)
        self.keys = np.insert(self.keys, -1, keys)
        self.log_probs = np.append(self.log_probs, log_probs[order])
        self.backoffs = np.append(self.backoffs, backoffs[order])
        self.starts.append(last + len(keys))

    def _child(self, nodes: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Find the nodes that add `words` to `nodes`, -1 where there is none."""
        keys = nodes << self.bits | words
        places = np.searchsorted(self.keys, keys)
        return np.where(self.keys[places] == keys, len(self.vocabulary) + places, -1)

    def _links(self, parents: np.ndarray, words: np.ndarray) -> np.ndarray:
        """Find the longest suffix of each node: the word itself, or what it adds to a suffix of its parent."""
        links, states = words, self.links[parents].astype(np.int64)
        while (states >= 0).any():
            children = self._child(states, words)
            links = np.where(children >= 0, children, links)
            states = np.where((states >= 0) & (children < 0), self.links[states], -1)
        return links.astype(np.int32)

    def _in_order(self, ids: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """Return the places of the n-grams sorted by `keys`; no two may be the same."""
        order = np.argsort(keys, kind="stable")
        for place in np.flatnonzero(np.diff(keys[order]) == 0):
            self._fail(ids[order[place]], "stands there twice")
        return order

    def _fail(self, ids: np.ndarray, message: str) -> NoReturn:
        self.file.fail(f"the {len(ids)}-gram {' '.join(self.vocabulary.words[i] for i in ids)!r} {message}")
