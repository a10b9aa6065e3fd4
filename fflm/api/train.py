"""Train a network, and mix it with an n-gram model of the same text."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fflm.api.arguments import names
from fflm.api.model import Model
from fflm.api.system import versions
from fflm.config import DataConfig, ModelConfig, TokenizerConfig, TrainConfig
from fflm.config.options import configurations, takes_options
from fflm.errors import ConfigError, Interrupted, option_name, shown
from fflm.generation import prompts
from fflm.kernels._cache import compile_seconds
from fflm.lm import NeuralLanguageModel
from fflm.lm.spelling import learn_spelling
from fflm.nn.language_model import initialise
from fflm.nn.product_speed import fma_peak, product_speed
from fflm.runtime.progress import tell
from fflm.storage.files import is_standard_output
from fflm.text import Corpus, Note, fingerprint, stream_fingerprint
from fflm.text import load as load_corpus
from fflm.training.plan import make_plan, planned_before, training_seconds, with_plan
from fflm.training.report import TrainReport
from fflm.training.run_folder import RunFolder
from fflm.training.trainer import Trainer
from fflm.word_vectors.files import check_vectors
from fflm.word_vectors.pretrained import GivenVectors

TRAINING = (TokenizerConfig, DataConfig, ModelConfig, TrainConfig)


@takes_options(*TRAINING)
def train(
    *sources: str | Path,
    valid: str | Path | Sequence[str] | None = None,
    test: str | Path | Sequence[str] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    started: float | None = None,
    **options: Any,
) -> Model:
    """Train a network on text, and mix the one that was best on validation text with an n-gram model of the text.

    With ``ngram_order=0`` the network stays alone.

    Parameters
    ----------
    *sources : str
        Files, folders, ``-`` or named corpora (``stdlib``, ``brown`` ...), read as one text.
    valid, test : str or sequence of str, optional
        Validation and test text. Without `valid`, part of the text is held out.
    out : path, optional
        Run folder: the model, the network in it as a file of its own (``network.safetensors``), the training state, the
        configuration and a log. While training goes on, the model is the best network so far.
    resume : bool
        Go on with the run in `out`, with the same text and configuration. To the same end, in epochs, the run goes on
        as if it had never stopped. To another one (other `epochs`, or any `minutes`) the linear learning rate falls
        once more, from its full height (lower if less than a tenth of the run is to come) to 0 at the new end; the
        report has a note of it.
    overwrite : bool
        Replace the run that is in `out`, once the text has been read and the new run begins.
    quiet : bool
        Whether to say nothing on stderr.
    started : float, optional
        ``time.monotonic()`` from which the option `minutes` counts; now, by default.
    **options
        Those of `TokenizerConfig`, `DataConfig`, `ModelConfig` and `TrainConfig`. Sizes of the network, dropout and
        learning rate that are not given are planned for the text and the time (see `fflm.training.plan`).

    Returns
    -------
    Model
        The mixture; its `report` says how training went, and `network` is the network in it.

    Raises
    ------
    ConfigError, TextError, ModelFileError, DivergenceError
        All of them `FflmError`; nothing that was there before is harmed.
    Interrupted
        At Ctrl-C while it trains, a `KeyboardInterrupt` that carries the best `model`: once the step is done, the run
        saved and the model evaluated. A second Ctrl-C stops at once.

    Examples
    --------
    >>> import fflm
    >>> model = fflm.train("text.txt", context_size=2, embedding_dim=5, hidden_dims=8, epochs=2, quiet=True)
    >>> model.report.steps
    96
    """
    started = time.monotonic() if started is None else started
    tokenizer_config, data, shape, config = configurations(TRAINING, options)
    if resume and out is None:
        raise ConfigError(f"{option_name('resume')} needs {option_name('out')}, the folder of the run to go on with")
    if is_standard_output(out):
        raise ConfigError(
            f"{option_name('out')} must name a folder, as a run can't go to standard output, got {shown(str(out))}"
        )
    if resume and overwrite:
        raise ConfigError(f"{option_name('overwrite')} must not be given together with {option_name('resume')}")
    with RunFolder(None if out is None else Path(out), resume, quiet, overwrite) as folder:
        read, read_valid, read_test = names(sources) or [], names(valid, "valid"), names(test, "test")
        if config.vectors is not None:
            check_vectors(config.vectors)
        corpus = load_corpus(read, read_valid, read_test, tokenizer_config, data, config.seed)
        tell(corpus.warnings, quiet)
        learn_spelling(corpus.vocabulary, corpus.unknown_words, corpus.tokenizer)
        vectors = None
        if config.vectors is not None:
            vectors = GivenVectors.read(config.vectors, corpus.vocabulary)
            shape = replace(shape, embedding_dim=vectors.agreed_dim(options.get("embedding_dim")))
            corpus = replace(corpus, notes=(*corpus.notes, Note(vectors.coverage())))
        plan = planned_before(folder.described()) if resume else _plan(corpus, config, options, started)
        shape, config = with_plan(shape, config, options, plan)
        if shape.tied and config.freeze_vectors:
            raise ConfigError(
                f"{option_name('tied')} can't be with {option_name('freeze_vectors')}: the output learns them"
            )
        described = {
            "vectors_content": vectors and vectors.fingerprint(),
            "sources": read,
            "valid": read_valid,
            "test": read_test,
            "text": fingerprint(corpus),
        }
        for part in (tokenizer_config, data, shape, config):
            described |= part.to_dict()
        parameters = initialise(shape, corpus.vocabulary.counts, config.seed)
        frozen = None
        if vectors is not None:
            vectors.put_into(parameters["embeddings"])
            frozen = vectors.known if config.freeze_vectors else None
        lm = NeuralLanguageModel(shape, corpus.vocabulary, corpus.tokenizer, parameters, config.threads)
        trainer = Trainer(lm, corpus, config, folder, started, quiet, frozen)
        if resume:
            folder.check_unchanged(described)
        else:
            folder.begin(described)
        report = trainer.run(resume_from=folder if resume else None)
        if out is not None:
            folder.save_report(_record(report, described, corpus))
    model = Model(trainer.result, report, prompts(trainer.result, corpus.valid.ids))
    if report.interrupted:
        kept = "nothing was written, since there was no out" if out is None else f"resume=True goes on with {out}"
        raise Interrupted(f"training was interrupted after {report.steps:,} steps; {kept}", model)
    return model


def _record(report: TrainReport, described: dict[str, Any], corpus: Corpus) -> dict[str, Any]:
    """Return what ``report.json`` holds: results, options as they took effect, texts, versions and the machine."""
    effective = {"learning_rate": report.learning_rate, "weight_decay": report.weight_decay}
    texts = {"train": corpus.train, "valid": corpus.valid, "test": corpus.test}
    return {
        "report": report.to_dict(),
        "options": described | effective,
        "texts": {
            name: {"source": text.source, "tokens": len(text), "sha256": stream_fingerprint(text)}
            for name, text in texts.items()
            if text is not None
        },
        "machine": versions()
        | {"peak_gflops": round(fma_peak(described["threads"], repetitions=50, tries=3) / 1e9, 1)},
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _plan(corpus: Corpus, config: TrainConfig, options: dict[str, Any], started: float) -> dict[str, Any]:
    """Plan a new run of this length on this text; the machine's speed counts where time is limited."""
    tokens, vocab_size = len(corpus.train), len(corpus.vocabulary)
    limit = {"epochs": config.epochs} if "epochs" in options else {}
    characters = corpus.tokenizer.config.tokenizer == "char"
    if config.minutes is None:
        seconds = {"seconds": math.inf} if limit else {}
        return make_plan(tokens, vocab_size, **seconds, **limit, characters=characters)
    flops = product_speed(config.threads)
    left = max(1.0, 60.0 * config.minutes - (time.monotonic() - started - compile_seconds(started)))
    held_out = len(corpus.valid) + len(corpus.test or ())
    seconds_left = training_seconds(left, held_out, vocab_size, flops)
    return make_plan(tokens, vocab_size, seconds_left, flops=flops, **limit, characters=characters)
