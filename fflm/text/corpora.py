"""Named corpora, each with its splits: text that Python itself carries, and text that NLTK finds."""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import re
import sys
import sysconfig
import warnings
import zipfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import accumulate

from fflm.errors import TextError, did_you_mean, shown
from fflm.storage.user_cache import keep_texts, kept_texts
from fflm.text.tokenizer import LINE_END, Tokenizer

NAMES = ("stdlib", "brown", "gutenberg", "state_union", "inaugural")
LABELLED = ("sentence_polarity", "movie_reviews")  # see `labelled`
SPLITS = ("train", "valid", "test")

#: Brown's first 800,000 tokens are for training and the next 200,000 for validation, of 1,177,359: [B03] section 4.1.
BROWN_CUTS = (800_000, 1_000_000)
BROWN_TOKENS = 1_177_359
BROWN_TEXT, BROWN_PARAGRAPH = "<text>", "<p>"

#: The other corpora are cut into pieces: at the first empty line after the first number of characters, or the first
#: line end after the second.
PIECE_CHARACTERS, LONG_PIECE_CHARACTERS = 2000, 10_000
#: Each quarter of a corpus has this many parts of equal length, of which one is for validation and one for the test.
_QUARTERS, _PARTS = 4, 20
_HELD_OUT = {"valid": 9, "test": 19}

_NOT_DOCUMENTATION = frozenset(
    ["test", "tests", "idle_test", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__", "pydoc_data"]
)


def parse_name(source: str, names: Sequence[str] = NAMES) -> tuple[str, str | None] | None:
    """Take the name of one of the corpora `names` apart: name and split, or None where `source` is something else.

    A name is always the corpus; a file of that name is read as ``./brown``.

    Raises
    ------
    TextError
        If the split is none of train, valid and test.

    Examples
    --------
    >>> parse_name("brown:valid"), parse_name("stdlib"), parse_name("./brown")
    (('brown', 'valid'), ('stdlib', None), None)
    """
    name, colon, split = source.partition(":")
    if name not in names:
        return None
    if colon and split not in SPLITS:
        meant = did_you_mean(split, SPLITS)
        hint = "" if meant is None else f"; did you mean {name}:{meant}?"
        raise TextError(f"split of a corpus must be one of {', '.join(SPLITS)}, got {shown(source)}{hint}")
    return name, split or None


def read_corpus(name: str, split: str | None, tokenizer: Tokenizer) -> Iterator[str | list[str] | None]:
    """Read a named corpus in blocks: text, or, for ``brown``, the tokens its editors made.

    None stands between two blocks where text was left out that belongs to another split: there a text begins anew.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    split : {"train", "valid", "test"} or None
        None reads all of it.
    tokenizer : Tokenizer
        Brown's tokens are normalised by it; a ``char`` tokenizer gets Brown as text, one sentence a line. Its
        boundaries ``line`` and ``eos`` give Brown by sentences, each ended by ``"\\n"``, ``stream`` with marks for
        texts and paragraphs.

    Raises
    ------
    TextError
        If the corpus is not installed or can't be read.

    Examples
    --------
    >>> from fflm.config import TokenizerConfig
    >>> blocks = read_corpus("brown", "train", Tokenizer(TokenizerConfig()))
    >>> next(blocks)[:4]  # doctest: +SKIP
    ['<text>', '<p>', 'The', 'Fulton']
    """
    if name == "brown":
        return _brown(split, tokenizer)
    documents = _stdlib_documents() if name == "stdlib" else _nltk_texts(name)
    pieces = [piece for document in documents for piece in _pieces(document)]
    return _one_split(pieces, _splits([len(piece) for piece in pieces]), split)


def _splits(lengths: Sequence[int]) -> list[str]:
    """Choose the split of each piece of a corpus, by the lengths of the pieces.

    Each quarter of the corpus has 20 parts of equal length, of which the tenth and the last are held out; a piece
    belongs to the part in which its middle lies. A corpus of few pieces is not quartered.
    """
    ends = list(accumulate(lengths))
    middles = [end - length / 2 for end, length in zip(ends, lengths, strict=True)]
    splits = ["train"] * len(lengths)
    quarters = _QUARTERS if len(lengths) >= _QUARTERS * _PARTS else 1
    for quarter in range(quarters):
        for split, part in _HELD_OUT.items():
            numbers = (quarter * _PARTS + part, quarter * _PARTS + part + 1)
            first, last = (bisect_left(middles, ends[-1] * number / (quarters * _PARTS)) for number in numbers)
            splits[first:last] = [split] * (last - first)
    return splits


def _one_split(pieces: Iterable[str], splits: Iterable[str], split: str | None) -> Iterator[str | None]:
    """Yield the pieces of one split, or all of them, with None between two that do not stand side by side."""
    begun, follows = False, True
    for piece, own_split in zip(pieces, splits, strict=True):
        if split not in (None, own_split):
            follows = False
            continue
        if begun and not follows:
            yield None
        yield piece
        begun, follows = True, True


def _pieces(document: str) -> Iterator[str]:
    """Cut a document at the ends of paragraphs (or of lines, in very long ones); nothing is lost or doubled."""
    if document and not document.endswith("\n"):
        document += "\n"
    start = 0
    for line_end in re.finditer(r"\n([ \t]*\n)?", document):
        if line_end.end() - start >= (PIECE_CHARACTERS if line_end[1] else LONG_PIECE_CHARACTERS):
            yield document[start : line_end.end()]
            start = line_end.end()
    if start < len(document):
        yield document[start:]


# Training reads the splits of a corpus one after the other: the last corpus stays in memory (Brown: 10 MB).
@functools.lru_cache(maxsize=1)
def _nltk_texts(name: str) -> list[str]:
    return [text for _, text in nltk_files(name)]


def nltk_files(name: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Read every file of a corpus on NLTK's data path: its categories, if the corpus has any, and its raw text.

    Raises
    ------
    TextError
        If the corpus is not installed, or damaged.
    """
    import nltk.corpus

    try:
        reader = getattr(nltk.corpus, name)
        for file in reader.fileids():
            categories = tuple(reader.categories(file)) if name in LABELLED else ()
            yield categories, _universal_newlines(reader.raw(file))
    except LookupError:
        raise TextError(
            f"corpus {name} must be on NLTK's data path, got none; install it with: python -m nltk.downloader {name} "
            "(or set NLTK_DATA to the folder which holds it)"
        ) from None
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or ["an unreadable file"])[0].lower()
        raise TextError(
            f"corpus {name} must be intact, got {reason}; install it again with: "
            f"python -m nltk.downloader --force {name}"
        ) from None


def _universal_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _brown(split: str | None, tokenizer: Tokenizer) -> Iterator[str | list[str]]:
    chars = tokenizer.config.tokenizer == "char"
    marks = tokenizer.config.boundary == "stream" and not chars
    blocks = [brown_tokens(raw, marks=marks) for raw in _nltk_texts("brown")]
    for tokens in _select(blocks, split, marks):
        if chars:
            yield " ".join(tokens).replace(" \n ", "\n").removesuffix(" \n") + "\n"
        else:
            yield _normalized(tokens, tokenizer)


def brown_tokens(raw: str, *, marks: bool) -> list[str]:
    """Read the words of one tagged Brown file, as ``nltk.corpus.brown.paras`` has them but several times as fast.

    With `marks` the text begins with ``<text>`` and each paragraph with ``<p>``; without, each sentence ends with
    ``"\\n"``.

    Examples
    --------
    >>> brown_tokens("\\n\\n\\tThe/at jury/nn\\nsaid/vbd\\n", marks=True)
    ['<text>', '<p>', 'The', 'jury', 'said']
    """
    tokens = [BROWN_TEXT] if marks else []
    after_empty_line = True
    for line in raw.split("\n"):
        tagged = line.split()
        if marks and tagged and after_empty_line:
            tokens.append(BROWN_PARAGRAPH)
        after_empty_line = not tagged
        tokens += [word.rpartition("/")[0] for word in tagged]
        if tagged and not marks:
            tokens.append(LINE_END)
    return tokens


def _normalized(tokens: list[str], tokenizer: Tokenizer) -> list[str]:
    # Brown's words have no line ends inside, and neither option makes or removes one.
    return tokenizer.normalize("\0".join(tokens)).split("\0")


def _select(blocks: list[list[str]], split: str | None, marks: bool) -> Iterator[list[str]]:
    """Yield the tokens of one split: cut at exact tokens where there are marks, else at the next sentence end."""
    tokens = [token for block in blocks for token in block]
    cuts: tuple[int, ...] = BROWN_CUTS
    if not marks:
        ends = [i + 1 for i, token in enumerate(tokens) if token == LINE_END]
        words_before = [end - i for i, end in enumerate(ends, start=1)]
        shares = (cut * words_before[-1] // BROWN_TOKENS for cut in BROWN_CUTS)
        cuts = tuple(ends[bisect_left(words_before, share)] for share in shares)
    first, last = {None: (0, None), "train": (0, cuts[0]), "valid": cuts, "test": (cuts[1], None)}[split]
    yield tokens[first:last]


@functools.lru_cache(maxsize=1)
def _stdlib_documents() -> list[str]:
    """Read the topics of ``help()`` and the docstrings of the standard library, a document each topic and file.

    To parse all of its files takes seconds: the documents are kept under a hash of the files and of this module.
    """
    root = sysconfig.get_paths()["stdlib"]
    paths = list(_stdlib_files(root))
    key = _hash_of_files([*paths, __file__, *_topics_file()])
    documents = None if key is None else kept_texts("stdlib", key)
    if documents is None:
        documents = [*_topics(), *("\n\n".join(_docstrings_of_file(path)) for path in paths)]
        # A docstring may hold half a character (a lone surrogate), which no file can.
        documents = [document.encode("utf-8", "replace").decode() for document in documents]
        if key is not None and any(documents):
            keep_texts("stdlib", key, documents)
    if not any(documents):
        raise TextError(f"corpus stdlib must find Python's own sources, got none in {root!r}; give a text file instead")
    return documents


def _stdlib_files(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        # Sorted in place: the order in which os.walk enters them.
        folders[:] = sorted(set(folders) - _NOT_DOCUMENTATION)
        for file in sorted(files):
            # Names such as _sysconfigdata__linux_x86_64 hold the build of one machine.
            if file.endswith(".py") and not file.startswith("_sysconfigdata"):
                yield os.path.join(folder, file)


def _hash_of_files(paths: Iterable[str]) -> str | None:
    """Compute a hash of some files and of Python's version, or None where one of them can't be read."""
    digest = hashlib.sha256(sys.version.encode())
    try:
        for path in paths:
            with open(path, "rb") as file:
                digest.update(hashlib.sha256(file.read()).digest())
    except OSError:
        return None
    return digest.hexdigest()[:32]


def _topics_file() -> list[str]:
    try:
        spec = find_spec("pydoc_data.topics")
    except ModuleNotFoundError:  # some installations leave it out
        return []
    return [spec.origin] if spec is not None and spec.origin is not None else []


def _topics() -> list[str]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return []
    return [topics[name] for name in sorted(topics)]


def _docstrings_of_file(path: str) -> list[str]:
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(_docstrings(ast.parse(file.read())))
    except (OSError, SyntaxError, ValueError, RecursionError):
        # Some files of the library are broken on purpose, to test what reads them.
        return []


def _docstrings(node: ast.AST) -> Iterator[str]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    if isinstance(node, documented) and (text := ast.get_docstring(node)):
        yield text
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*documented, ast.If, ast.Try)):
            yield from _docstrings(child)
