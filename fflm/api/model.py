"""A language model and what can be done with it."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fflm import generation, html
from fflm.api.adaptation import ADAPTATION, adapted
from fflm.api.arguments import check_new_file, check_new_model, source_names
from fflm.api.reports import MixtureReport, NgramReport
from fflm.config import ApproximationConfig, DataConfig, SampleConfig, check_threads, make
from fflm.config.options import takes_options, whole_number
from fflm.errors import ConfigError, FflmError, option_name, shown
from fflm.evaluation import perplexity, surprisal, text_scores
from fflm.evaluation.perplexity import Perplexity
from fflm.evaluation.surprisal import Scores
from fflm.evaluation.text_scores import TextScore
from fflm.generation import Prediction, Predictor, Sample
from fflm.lm import LanguageModel, NeuralLanguageModel, network_in
from fflm.model_file import load_model, save_model
from fflm.runtime.progress import Bar
from fflm.storage.files import write
from fflm.text import encode
from fflm.text.marks import NO_WORDS, prompt_tokens
from fflm.training.report import TrainReport
from fflm.word_vectors.files import vector_file, writable
from fflm.word_vectors.neighbours import WordVectors


class Model:
    """A language model and what can be done with it.

    Attributes
    ----------
    lm : LanguageModel
        The model itself: `log_probs` and `next_word` on ids.
    report : TrainReport, NgramReport, MixtureReport or None
        The figures of its training, counting or mixing, if it was made just now and not loaded.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.load("runs/demo")
    >>> model
    Model(13 words, reach 2, 1,165 parameters)
    >>> model.predict("the cat sat on the", top=1)[0].word
    'mat'
    """

    def __init__(
        self,
        lm: LanguageModel,
        report: TrainReport | NgramReport | MixtureReport | None = None,
        prompts: Sequence[str] = ("", "", ""),
        loaded_from: tuple[str, int | None] | None = None,
    ):
        self.lm, self.report, self.prompts = lm, report, prompts
        self._loaded_from = loaded_from  # path and threads

    def __reduce__(self) -> tuple[Any, ...]:
        """Send the name of the file that the model was loaded from to another process, else what a file would hold."""
        if self._loaded_from is not None:
            return _loaded, self._loaded_from
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            save_model(self.lm, path)
            return _unpacked, (path.read_bytes(),)

    def __repr__(self) -> str:
        size = self.lm.describe()["parameters"]
        return f"Model({len(self.lm.vocabulary):,} words, reach {self.lm.reach}, {size:,} parameters)"

    def _repr_html_(self) -> str:
        info = self.info()
        figures = {name: f"{info[name]:,}" for name in ("vocab_size", "train_tokens", "parameters", "reach")}
        head = html.title(f"Model: {info['kind']}"), html.facts(figures)
        return html.box(*head) + ("" if self.report is None else _report_html(self.report))

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The arrays of the network by name: read-only views, float32.

        Raises
        ------
        ConfigError
            If the model has no network.

        Examples
        --------
        >>> import fflm
        >>> fflm.load("runs/demo").parameters["embeddings"].shape
        (13, 4)
        """
        network = self.network.lm
        assert isinstance(network, NeuralLanguageModel)
        views = {name: value.view() for name, value in network.parameters.items()}
        for view in views.values():
            view.flags.writeable = False
        return views

    def surprisal(self, texts: str | Sequence[str], **options: Any) -> list[dict[str, Any]]:
        """Compute the surprisal of every word of some texts: rows that `pandas.DataFrame` takes (`fflm.surprisal`).

        Examples
        --------
        >>> import fflm
        >>> [row["word"] for row in fflm.load("runs/demo").surprisal("the cat sat")]
        ['the', 'cat', 'sat']
        """
        from fflm.api.surprisal import surprisal as of_words  # it takes a Model, and so is above this module

        return of_words(self, texts, **options)

    def plot_words(self, words: int = 200) -> html.Picture:
        """Draw a map of the most frequent words by their vectors (needs the plot extra).

        Raises
        ------
        ConfigError
            If the model has no vectors.
        FflmError
            If matplotlib or scikit-learn is not installed.
        """
        from fflm.plots.word_map import check_can_draw_maps, embedding_map

        vectors = self.word_vectors()
        check_can_draw_maps()
        return html.Picture(embedding_map(*vectors.most_frequent(words), "png"), "map of words")

    @property
    def network(self) -> Model:
        """The network alone: of a mixture, such as `fflm.train` returns, the first network in it.

        Raises
        ------
        ConfigError
            If the model has none.

        Examples
        --------
        >>> import fflm
        >>> fflm.mix("runs/demo", valid="text.txt", cache=20, quiet=True).network
        Model(13 words, reach 2, 1,165 parameters)
        """
        network = network_in(self.lm)
        if network is None:
            raise ConfigError(f"a model of kind {self.lm.describe()['kind']!r} has no network in it")
        return Model(network, prompts=self.prompts)

    @takes_options(*ADAPTATION)
    def perplexity(
        self, *sources: str | Path, encoding: str = "utf-8", quiet: bool = False, **options: Any
    ) -> Perplexity:
        """Compute the perplexity on a text (defined in `fflm.evaluation.perplexity`).

        Parameters
        ----------
        *sources : str
            Files, folders, ``-`` or named corpora, read as one text.
        encoding : str
            Character encoding of the files.
        quiet : bool
            Show nothing on stderr; without it, a bar if that is a terminal.
        **options
            Options of `DynamicConfig` and `NeuralCacheConfig`: let a copy of the model follow the text that it reads.

        Returns
        -------
        Perplexity
            With cross-entropy in nats and bits, out-of-vocabulary counts and a 95 % interval.

        Raises
        ------
        TextError
            If a source can't be read.
        ConfigError
            If an option is unknown or out of its range, or asks for a network and the model has none.

        Examples
        --------
        >>> import fflm
        >>> report = fflm.load("runs/demo").perplexity("text.txt")
        >>> report.tokens, report.oov, report.perplexity < 1.1
        (1600, 0, True)
        >>> fflm.load("runs/demo").perplexity("text.txt", dynamic=True).perplexity < report.perplexity
        True
        """
        data, model = DataConfig(encoding=encoding), adapted(self.lm, options)
        stream = encode(source_names(sources), model.tokenizer, model.vocabulary, data)
        with Bar(len(stream), "perplexity", not quiet) as bar:
            return perplexity.evaluate(model, stream, bar.advance)

    @takes_options(*ADAPTATION)
    def score(
        self,
        *sources: str | Path,
        encoding: str = "utf-8",
        quiet: bool = False,
        unknown: str = "spelled",
        **options: Any,
    ) -> Scores:
        """Compute the surprisal of every token of a text, in bits (`fflm.score` says more).

        Raises
        ------
        TextError
            If a source can't be read.
        ConfigError
            If an option is unknown or out of its range, or asks for a network and the model has none.
        FflmError
            If a token has no probability.

        Examples
        --------
        >>> import fflm
        >>> [f"{bits:.1f}" for bits in fflm.load("runs/demo").score("text.txt").bits[2:5]]
        ['0.0', '0.0', '0.0']
        """
        return surprisal.score(adapted(self.lm, options), source_names(sources), encoding, quiet, unknown)

    def score_texts(self, texts: str | Sequence[str]) -> list[TextScore]:
        """Score some texts, each by itself: log probability, perplexity, open figures, tokens, unknown words.

        Many texts in one call are faster than one in each. Several threads may call it at once.

        Parameters
        ----------
        texts : str or sequence of str
            The texts themselves; `score` reads files.

        Raises
        ------
        ConfigError
            If a text is no string.

        Examples
        --------
        >>> import fflm
        >>> scores = fflm.load("runs/demo").score_texts(["the cat sat", "the sat cat", ""])
        >>> scores[0].perplexity < scores[1].perplexity, scores[2].perplexity
        (True, None)
        """
        texts = [_text("texts", text) for text in ([texts] if isinstance(texts, str) else texts)]
        return text_scores.score_texts(self.lm, self.lm, texts)

    def predict(self, context: str, top: int = 10, prefix: str = "", special: bool = False) -> list[Prediction]:
        """Return the `top` likeliest next words after the text `context`, by falling probability.

        With the beginning of a word, `prefix`, they are words that begin so; `special` lets ``<unk>`` and ``<s>`` be
        among them. `predictor` is faster for many contexts.

        Raises
        ------
        ConfigError
            If `top` is less than 1, or a model of characters is given a `prefix`.

        Examples
        --------
        >>> import fflm
        >>> model = fflm.load("runs/demo")
        >>> [p.word for p in model.predict("the dog sat", top=1)]
        ['on']
        >>> [p.word for p in model.predict("the dog sat", prefix="w")]
        ['with']
        """
        top = whole_number("top", top, low=1)
        found = generation.predict(self.lm, _text("context", context), top, _text("prefix", prefix), special)
        return html.Listing(found, lambda items: html.box(html.bars((p.word, p.probability, p.parts) for p in items)))

    def predictor(self) -> Predictor:
        """Open a predictor, which does as `predict` for many contexts, for a ``with`` statement.

        Examples
        --------
        >>> import fflm
        >>> with fflm.load("runs/demo").predictor() as predictor:
        ...     [predictor(context, top=1)[0].word for context in ("the dog sat", "on the")]
        ['on', 'mat']
        """
        return Predictor(self.lm)

    @takes_options(SampleConfig)
    def sample(self, prompt: str = "", special: bool = False, **options: Any) -> list[Sample]:
        """Draw continuations of `prompt`; `options` are those of `SampleConfig`, `special` lets ``<unk>`` be drawn.

        Where ``<unk>`` is drawn, the model's spelling model, if it has one, spells a new word.

        Raises
        ------
        ConfigError
            If an option is unknown or out of its range.

        Examples
        --------
        >>> import fflm
        >>> fflm.load("runs/demo").sample("the cat", tokens=4, temperature=0)[0].text
        'sat on the mat'
        """
        drawn = generation.sample(self.lm, _text("prompt", prompt), make(SampleConfig, options), special)
        return html.Listing(drawn, lambda items: html.box(*(_sample_html(item) for item in items)))

    def continued(self, sample: Sample) -> str:
        """Return the prompt of a sample and its text as one."""
        return self.lm.tokenizer.join([*prompt_tokens(sample.prompt, self.lm.tokenizer), *sample.tokens])

    def known_words(self, text: str) -> tuple[int, int]:
        """Count the tokens of `text` that are in the vocabulary, and all of them; line ends do not count."""
        tokens = [token for token in prompt_tokens(text, self.lm.tokenizer) if token not in NO_WORDS]
        return sum(token in self.lm.vocabulary for token in tokens), len(tokens)

    def save(self, path: str | Path, force: bool = False) -> None:
        """Write the model file: one self-contained safetensors file.

        Raises
        ------
        FflmError
            If there is a file of this name and not `force`, or it can't be written; a file that was there is untouched.

        Examples
        --------
        >>> import fflm
        >>> fflm.load("runs/demo").save("demo.safetensors")
        >>> fflm.load("demo.safetensors")
        Model(13 words, reach 2, 1,165 parameters)
        """
        check_new_model(path, force)
        save_model(self.lm, path)

    @takes_options(ApproximationConfig)
    def approximate(self, *sources: str | Path, encoding: str = "utf-8", quiet: bool = False, **options: Any) -> Model:
        """Make an n-gram model that comes as close to this model as one of its size does (`fflm.lm.approximate`).

        Parameters
        ----------
        *sources : str
            The text whose n-grams it has, best the training text: files, folders, ``-`` or named corpora.
        encoding : str
            Character encoding of the files.
        quiet : bool
            Show nothing on stderr; without it, a bar if that is a terminal.
        **options
            Options of `ApproximationConfig`: the order, and how many n-grams.

        Raises
        ------
        TextError
            If a source can't be read.
        ConfigError
            If an option is unknown or out of its range.

        Examples
        --------
        >>> import fflm
        >>> small = fflm.load("runs/demo").approximate("text.txt", order=3, quiet=True)
        >>> small.save_arpa("small.arpa")
        >>> small.predict("the cat sat on the", top=1)[0].word
        'mat'
        """
        config, data = make(ApproximationConfig, options), DataConfig(encoding=encoding)
        stream = encode(source_names(sources), self.lm.tokenizer, self.lm.vocabulary, data)
        from fflm.lm import approximate  # with the kernels of n-grams, where they are needed

        with Bar(len(stream), "n-grams", not quiet) as bar:
            return Model(
                approximate(self.lm, stream.ids, config.order, config.ngrams, stream.breaks, on_batch=bar.advance)
            )

    def save_arpa(self, path: str | Path, force: bool = False) -> None:
        """Write a Kneser-Ney model as an ARPA file, which other n-gram tools read; compressed if its name ends in .gz.

        Raises
        ------
        FflmError
            If the model is of another kind, has a word with white space inside, there is a file of this name and not
            `force`, or it can't be written.
        """
        check_new_file(path, force)
        from fflm.lm import NgramModel, arpa_lines  # with the kernels of n-grams, where they are needed

        if not isinstance(self.lm, NgramModel):
            kind = self.lm.describe()["kind"]
            raise FflmError(
                f"ARPA files hold n-gram models in back-off form, got a model of kind {kind!r}; name a text with "
                f"{option_name('source')} to take n-grams from (in Python, save what approximate returns)"
            )
        lines = arpa_lines(self.lm)

        def fill(temporary: str) -> None:
            opened = gzip.open if str(path).endswith(".gz") else open
            with opened(temporary, "wt", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
                file.writelines(lines)

        write(path, fill)

    def word_vectors(self) -> WordVectors:
        """Return the features of every word, for neighbors, analogies and similarities.

        Raises
        ------
        ConfigError
            If the model has none, as n-gram models.

        Examples
        --------
        >>> import fflm
        >>> fflm.load("runs/demo").word_vectors().matrix.shape
        (13, 4)
        """
        return WordVectors.of(self.lm)

    def save_word2vec(self, path: str | Path, binary: bool = False, force: bool = False) -> int:
        """Write the features of every word as a word2vec file, which gensim and others read; also ``.gz``.

        Words with white space or control characters, which the format can't hold, are left out; returns how many.

        Raises
        ------
        FflmError
            If the model has no vectors, there is a file of this name and not `force`, or it can't be written.

        Examples
        --------
        >>> import fflm
        >>> fflm.load("runs/demo").save_word2vec("demo.vec")
        0
        """
        check_new_file(path, force)
        vectors = self.word_vectors()
        kept = writable(vectors.vocabulary.words)
        words = [vectors.vocabulary.words[i] for i in kept]
        content = b"".join(vector_file(words, vectors.matrix[kept], binary))
        write(path, gzip.compress(content, mtime=0) if str(path).endswith(".gz") else content)
        return len(vectors.vocabulary) - len(kept)

    def save_npz(self, path: str | Path, force: bool = False) -> None:
        """Write the arrays of the network by name, and ``words``, as a file that `numpy.load` reads (no pickle).

        Raises
        ------
        FflmError
            If the model has no network, there is a file of this name and not `force`, or it can't be written.

        Examples
        --------
        >>> import fflm
        >>> import numpy as np
        >>> fflm.load("runs/demo").save_npz("demo.npz")
        >>> np.load("demo.npz")["embeddings"].shape
        (13, 4)
        """
        check_new_file(path, force)
        words = np.array(self.lm.vocabulary.words)
        content = io.BytesIO()
        np.savez(content, words=words, **self.parameters)  # type: ignore[arg-type]
        write(path, content.getvalue())

    def examples(self, count: int = 3) -> list[Sample]:
        """Sample a few continuations, at temperature 0.7, after words of the validation text.

        In the ``line`` boundary they begin with a line.
        """
        tokens = 100 if self.lm.tokenizer.config.tokenizer == "char" else 20
        prompts = enumerate(self.prompts[:count])
        return [self.sample(prompt, tokens=tokens, temperature=0.7, seed=i)[0] for i, prompt in prompts]

    def info(self) -> dict[str, Any]:
        """Return sizes and configurations, as plain JSON values.

        Examples
        --------
        >>> import fflm
        >>> fflm.load("runs/demo").info()["vocab_size"]
        13
        """
        vocabulary = self.lm.vocabulary
        return self.lm.describe() | {
            "reach": self.lm.reach,
            "vocab_size": len(vocabulary),
            "train_tokens": int(vocabulary.counts.sum()),
            "tokenizer": self.lm.tokenizer.config.to_dict(),
            "most_frequent": vocabulary.words[3:13],
        }


def language_model(model: Model | str | Path, threads: int | None = None) -> LanguageModel:
    """Return the language model that an argument means: that of a `Model`, or the one in a file or run folder.

    Raises
    ------
    ConfigError
        If `model` is neither, or `threads` is no number of workers.
    ModelFileError
        If the file is missing, damaged or holds no language model.

    Examples
    --------
    >>> language_model("runs/demo").reach
    2
    """
    check_threads(threads)
    if isinstance(model, Model):
        return model.lm
    if isinstance(model, (str, os.PathLike)):
        return load_model(model, threads)
    raise ConfigError(f"a model must be a Model or the path of one, got {shown(model)}")


def _loaded(path: str, threads: int | None) -> Model:
    """Load a model in another process."""
    return Model(load_model(path, threads), loaded_from=(path, threads))


def _unpacked(content: bytes) -> Model:
    """Make the model that a file of this content holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(content)
        return Model(load_model(path))


def _sample_html(sample: Sample) -> str:
    prompt, text = (html.escape(part).replace("\n", "<br>") for part in (sample.prompt, sample.text))
    return f'<p style="margin:0.3rem 0"><b>{prompt}</b> {text}</p>'


def _report_html(report: TrainReport | NgramReport | MixtureReport) -> str:
    if isinstance(report, TrainReport):
        return report._repr_html_()
    parts = [(name, figures) for name, figures in (("validation", report.valid), ("test", report.test)) if figures]
    rows = [
        (name, f"{f['perplexity']:,.2f}", f"{100 * f['oov_rate']:.2f} %")
        for name, f in parts
        if f["perplexity"] is not None
    ]
    return html.box(html.table(["", "perplexity", "unknown words"], rows))


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{option_name(name)} must be a string, got {shown(value)}")
    return value
