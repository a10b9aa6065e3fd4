"""One function a command: open, one library call, print. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys

import fflm
from fflm.cli.flags import given
from fflm.config import DataConfig, ModelConfig, SampleConfig, TokenizerConfig, TrainConfig
from fflm.errors import ConfigError


def _print_json(value) -> None:
    print(json.dumps(value))


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _load(arguments):
    if arguments.threads is not None:
        TrainConfig(threads=arguments.threads)  # the same range check
    return fflm.load(arguments.model, arguments.threads)


def train(arguments) -> int:
    """fflm train"""
    model = fflm.train(
        *arguments.sources,
        valid=arguments.valid,
        test=arguments.test,
        out=arguments.out,
        resume=arguments.resume,
        started=arguments.started,
        **given(arguments, TokenizerConfig, DataConfig, ModelConfig, TrainConfig),
    )
    report = model.report
    if arguments.json:
        _print_json(report.to_dict())
    else:
        for line in _train_lines(model, report):
            print(line)
    return 130 if report.interrupted else 0


def _train_lines(model, report):
    why = {
        "epochs": "all epochs done",
        "early": "validation stopped improving",
        "minutes": "time is up",
        "interrupted": "interrupted; --resume goes on",
    }[report.stopped]
    yield f"run          {report.out} ({why})"
    yield (
        f"model        {report.vocab_size:,} words, context {model.lm.context_size}, {report.parameters:,} parameters"
    )
    yield (
        f"training     {report.train_tokens:,} tokens, {report.epochs:.4g} epochs, {report.steps:,} steps, "
        f"{report.seconds:.1f} s, {report.tokens_per_second:,.0f} tokens/s"
    )
    for label, part in (("validation", report.valid), ("test", report.test)):
        if part is not None:
            yield f"{label:12} {_perplexity_line(part)}"
    for note in report.notes:
        yield f"note         {note}"
    for sample in model.examples():
        yield f"sample       {_visible(sample.prompt)} | {_visible(sample.text)}"


def _visible(text: str) -> str:
    """One line of it: line ends as \\n, and a text of nothing but white space in quotes."""
    return repr(text) if text.isspace() else text.replace("\n", "\\n")


def _perplexity_line(report: dict) -> str:
    return (
        f"perplexity {report['perplexity']:.2f} (95 % interval {report['perplexity_low']:.2f} to "
        f"{report['perplexity_high']:.2f}) on {report['tokens']:,} tokens, {100 * report['oov_rate']:.2f} % unknown"
    )


def perplexity(arguments) -> int:
    """fflm perplexity"""
    model = _load(arguments)
    report = model.perplexity(*arguments.sources, encoding=arguments.encoding, progress=True).to_dict()
    if arguments.json:
        _print_json({"model": arguments.model, **report})
        return 0
    without = report["perplexity_without_oov"]
    print(f"model                   {arguments.model}")
    print(f"source                  {report['source']}")
    print(f"tokens                  {report['tokens']:,}")
    print(f"out of vocabulary       {report['oov']:,} ({100 * report['oov_rate']:.2f} %)")
    print(f"cross-entropy           {report['cross_entropy_nats']:.5f} nats/token")
    print(f"                        {report['bits_per_token']:.5f} bits/token")
    print(f"                        {report['bits_per_character']:.5f} bits/character")
    print(f"perplexity              {report['perplexity']:.3f}")
    print(f"  95 % interval         {report['perplexity_low']:.3f} to {report['perplexity_high']:.3f}")
    print("  without unknown words " + ("none is known" if without is None else f"{without:.3f}"))
    sys.stdout.flush()
    print(f"speed                   {report['tokens_per_second']:,.0f} tokens/s", file=sys.stderr)
    return 0


def predict(arguments) -> int:
    """fflm predict"""
    model = _load(arguments)
    predictions = model.predict(arguments.context, arguments.top)
    _note_unknown(model, arguments.context, "context")
    if arguments.json:
        _print_json([prediction.to_dict() for prediction in predictions])
    else:
        for prediction in predictions:
            print(f"{prediction.probability:.6f}  {_visible(prediction.word)}")
    return 0


def sample(arguments) -> int:
    """fflm sample"""
    options = given(arguments, SampleConfig)
    SampleConfig(**options)  # refuse bad options before the model is read
    model = _load(arguments)
    samples = model.sample(arguments.prompt, arguments.special, **options)
    _note_unknown(model, arguments.prompt, "prompt")
    if arguments.json:
        _print_json([sample.to_dict() for sample in samples])
    else:
        for sample in samples:
            print(model.continued(sample))
    return 0


def _note_unknown(model, text: str, name: str) -> None:
    known, words = model.known_words(text)
    if words and not known:
        _note(f"no word of the {name} is in the vocabulary; each counts as <unk>")


def info(arguments) -> int:
    """fflm info"""
    if arguments.system:
        from fflm.system import describe_system

        facts = describe_system()
    elif arguments.model is None:
        raise ConfigError("info needs a MODEL, or --system")
    else:
        facts = fflm.load(arguments.model).info()
    if arguments.json:
        _print_json(facts)
    else:
        for name, value in _flat(facts):
            print(f"{name:24} {value}")
    return 0


def _flat(facts: dict, prefix: str = ""):
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, " ".join(_visible(str(part)) for part in value) if isinstance(value, list) else value
