"""Bad input on the command line: exit code 1, one line on stderr, nothing on stdout, nothing written, nothing lost."""

import gzip
import hashlib
import json
import math
import os
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from fflm.config import DataConfig, ModelConfig, SampleConfig, TokenizerConfig, TrainConfig

SHORT = ["--context-size", "2", "--embedding-dim", "3", "--hidden-dims", "4", "--epochs", "1"]


def hashes(folder) -> dict:
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def refused(fflm_main, in_temporary_folder):
    """``refused(match, "train", ...)``: the command says why not, in one line, and leaves every file as it was."""

    def refused(match, *arguments):
        before = hashes(in_temporary_folder)
        code, out, err = fflm_main(*arguments)
        assert (code, out) == (1, ""), err
        err = "".join(line for line in err.splitlines(keepends=True) if not line.startswith("warning: "))
        assert err.startswith("fflm: error: ") and err.endswith("\n") and err.count("\n") == 1, err
        assert re.search(match, err.removeprefix("fflm: error: ").rstrip("\n")), err
        assert hashes(in_temporary_folder) == before
        assert not (in_temporary_folder / "new").exists()
        return err

    return refused


def train_new(*sources, **options):
    return ["train", *sources, "--out", "new", *SHORT]


# Texts


def test_missing_file(refused):
    message = "^source must be a file, a folder, - or the name of a corpus, got 'missing.txt': no such file$"
    refused(message, *train_new("missing.txt"))
    for option in ("--valid", "--test", "--vocab"):
        refused(message.replace("source", option), *train_new("text.txt"), option, "missing.txt")
    refused(message, "perplexity", "runs/demo", "missing.txt")
    refused(message, "perplexity", "runs/demo", "text.txt", "missing.txt")


def test_file_name_that_no_system_takes(refused):
    for name in ("a" * 5000, "a\0b"):
        refused("^source must be a file", *train_new(name))


def test_folder_without_text(refused, in_temporary_folder):
    (in_temporary_folder / "folder").mkdir()
    (in_temporary_folder / "folder" / "picture.png").write_bytes(b"\x89PNG")
    refused("^folder must hold .txt, .gz, .bz2 or .xz files, got none in 'folder'$", *train_new("folder"))


@pytest.mark.parametrize("content", ["", " \n\n\t\n"])
def test_text_without_tokens(refused, in_temporary_folder, content):
    (in_temporary_folder / "empty.txt").write_text(content)
    message = "^text must have at least one token, got none in 'empty.txt'$"
    refused(message, *train_new("empty.txt"))
    refused(message, *train_new("text.txt"), "--valid", "empty.txt")
    refused(message, *train_new("text.txt"), "--test", "empty.txt")
    refused(message, "perplexity", "runs/demo", "empty.txt")


def test_invalid_utf8_names_the_byte(refused, in_temporary_folder, fflm_main):
    (in_temporary_folder / "latin.txt").write_bytes("the caf\u00e9 . the caf\u00e9 .\n".encode("latin-1") * 20)
    message = "^text must be utf-8, got an invalid byte at offset 7 of 'latin.txt'; name its encoding with --encoding$"
    refused(message, *train_new("latin.txt"))
    refused(message, "perplexity", "runs/demo", "latin.txt")
    assert fflm_main(*train_new("latin.txt"), "--encoding", "latin-1").code == 0
    assert fflm_main("perplexity", "new", "latin.txt", "--encoding", "latin-1").code == 0


@pytest.mark.parametrize("name", ["klingon", "rot13", "base64", ""])
def test_unknown_encoding(refused, name):
    message = f"^--encoding must be one that Python knows, such as utf-8 or cp1252, got {name!r}$"
    refused(message, *train_new("text.txt"), "--encoding", name)


def test_damaged_gzip(refused, in_temporary_folder):
    packed = gzip.compress(b"the cat sat on the mat .\n" * 1000)
    for damaged in (packed[:-20], b"plain text", packed[:20] + b"\0\0\0" + packed[23:]):
        (in_temporary_folder / "text.gz").write_bytes(damaged)
        refused("^source must be an intact gzip file, got 'text.gz': ", *train_new("text.gz"))


def test_text_shorter_than_a_window(refused, in_temporary_folder):
    (in_temporary_folder / "short.txt").write_text("a b a b a b")
    refused(
        "^training text must be at least one window of 9 tokens long, got 5; "
        "give more text or a smaller --context-size$",
        *train_new("short.txt"),
        "--context-size=8",
    )


def test_text_of_one_token(refused, in_temporary_folder):
    (in_temporary_folder / "one.txt").write_text("word")
    refused("^text must have at least two lines or tokens to hold some out, got one in ", *train_new("one.txt"))


def test_text_in_which_no_word_is_frequent_enough(refused, in_temporary_folder):
    (in_temporary_folder / "rare.txt").write_text("a b c d e f g h")
    refused(
        "^vocabulary must have a word besides <unk>, <s> and </s>, got none seen at least 2 times; "
        "lower --min-count or read more text$",
        *train_new("rare.txt"),
    )


def test_unknown_corpus_or_split(refused):
    refused(
        "^source must be a file, a folder, - or the name of a corpus, got 'brwon': no such file; did you mean brown.$",
        *train_new("brwon"),
    )
    refused("^split of a corpus must be one of train, valid, test, got 'brown:dev'$", *train_new("brown:dev"))
    refused("got 'stdlib:vald'; did you mean stdlib:valid.$", *train_new("stdlib:vald"))
    refused(
        "^split of a corpus must be one of train, valid, test, got 'stdlib:'$", "perplexity", "runs/demo", "stdlib:"
    )


@pytest.mark.parametrize("name", ["brown", "gutenberg", "state_union", "inaugural"])
def test_corpus_that_is_not_installed_says_how_to(refused, monkeypatch, name):
    import nltk

    from fflm.text import corpora

    monkeypatch.setattr(nltk.data, "path", [])
    monkeypatch.setattr(nltk.corpus, name, UnloadedCorpus())
    corpora._nltk_texts.cache_clear()
    refused(f"install it with: python -m nltk.downloader {name} ", *train_new(name))


class UnloadedCorpus:
    """What NLTK's lazy corpus does where there are no data."""

    def __getattr__(self, name):
        raise LookupError("\n***\n  Resource not found.\n***\n")


# Vocabularies


def test_vocabulary_file(refused, in_temporary_folder):
    (in_temporary_folder / "words.txt").write_text("the\ncat\nmat\ncat\n")
    with_words = [*train_new("text.txt"), "--vocab", "words.txt"]
    refused("^--vocab 'words.txt' must list a word once, got 'cat' on lines 2 and 4$", *with_words)
    (in_temporary_folder / "words.txt").write_text("\n\n<unk>\n")
    refused("^--vocab 'words.txt' must list at least one word, got none; write one word a line$", *with_words)
    (in_temporary_folder / "words.txt").unlink()
    refused("got 'words.txt': no such file$", *with_words)


# Runs


def test_out_that_holds_another_run(refused):
    refused(
        "^runs/demo holds another run; give --resume to go on with it, --overwrite to replace it, or choose another "
        "folder$",
        *["train", "text.txt", "--out", "runs/demo", *SHORT],
    )


def test_out_that_is_a_file(refused):
    refused(
        "^can't write a run to text.txt: it is a file; choose another folder$", "train", "text.txt", "--out", "text.txt"
    )
    refused("text.txt/run", "train", "text.txt", "--out", "text.txt/run")


def test_out_without_a_name(refused):
    refused("out", "train", "text.txt", "--out", "", *SHORT)


def test_a_run_is_no_stream(refused):
    message = "^--out must name a folder, as a run can't go to standard output, got '-'$"
    refused(message, "train", "text.txt", "--out", "-", *SHORT)


def test_out_with_a_name_that_no_system_takes(refused):
    refused("^can't", "train", "text.txt", "--out", "a" * 5000, *SHORT)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_out_where_nothing_may_be_written(refused, in_temporary_folder):
    (in_temporary_folder / "closed").mkdir(mode=0o500)
    refused("^can't make the folder closed/run: Permission denied$", "train", "text.txt", "--out", "closed/run", *SHORT)


def test_resume_without_a_run(refused):
    refused("^there is no run to resume in new; leave out --resume to begin one$", *train_new("text.txt"), "--resume")


def test_resume_with_a_changed_configuration(refused):
    refused(
        r"^--embedding-dim must be as in the run to resume, 4, got 5; "
        "give the options of the first call, or begin a new",
        *["train", "text.txt", "--out", "runs/demo", "--resume", "--context-size", "2", "--bag-size", "0"],
        *["--embedding-dim", "5"],
    )


def test_valid_and_valid_fraction(refused):
    refused(
        "^--valid-fraction must not be given together with --valid, got 0.1$",
        *train_new("text.txt"),
        *["--valid", "text.txt", "--valid-fraction", "0.1"],
    )


def test_divergence(fflm_main, in_temporary_folder):
    """The one error after which there is a run: with the last good model in it."""
    wild = ["--optimizer=sgd", "--learning-rate=1e6", "--batch-size=32", "--schedule=plateau"]
    code, out, err = fflm_main(*train_new("text.txt"), *wild)
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"warning: .*\nn-gram model: .*\nplan: .*\n"
        r"fflm: error: training diverged: the loss is \S+ at step \d+ with learning rate 1e\+06; .*\n",
        err,
    )
    assert fflm_main("perplexity", "new", "text.txt").code == 0


def test_full_disk(fflm_main, in_temporary_folder, monkeypatch):
    def no_space(*arguments):
        raise OSError(28, "No space left on device")

    before = hashes(in_temporary_folder)
    monkeypatch.setattr("os.fsync", no_space)
    code, out, err = fflm_main(*train_new("text.txt"))
    assert (code, out) == (1, "")
    assert re.fullmatch(
        r"warning: .*\nfflm: error: can't write new/\S+: No space left on device; what was there is untouched\n", err
    )
    assert hashes(in_temporary_folder) == before


# Models


COMMANDS = [["perplexity", "text.txt"], ["predict", "the cat"], ["sample"], ["score", "text.txt"], ["info"]]


@pytest.mark.parametrize(("verb", "rest"), [(c[0], c[1:]) for c in COMMANDS])
def test_model_that_is_none(refused, in_temporary_folder, verb, rest):
    model = (in_temporary_folder / "runs" / "demo" / "model.safetensors").read_bytes()
    (in_temporary_folder / "half").write_bytes(model[: len(model) // 2])
    (in_temporary_folder / "empty").mkdir()
    refused("^no such model: missing$", verb, "missing", *rest)
    refused("^no such model: empty, a folder without model.safetensors$", verb, "empty", *rest)
    refused("^no such model: ., a folder without model.safetensors$", verb, ".", *rest)
    refused("^no such model: '', an empty path$", verb, "", *rest)
    refused("^text.txt is not a model file, or it is damaged: ", verb, "text.txt", *rest)
    refused("^half is not a model file, or it is damaged: ", verb, "half", *rest)
    refused("state.safetensors must hold a language model, got", verb, "runs/demo/state.safetensors", *rest)
    refused("^", verb, "a" * 5000, *rest)


def test_model_of_a_newer_format_and_of_wrong_shapes(refused, in_temporary_folder):
    with safe_open(in_temporary_folder / "runs" / "demo" / "model.safetensors", framework="numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    newer = json.loads(metadata["fflm"]) | {"version": 7}
    save_file(tensors, in_temporary_folder / "newer", {"fflm": json.dumps(newer)})
    refused("^newer has format version 7, this fflm reads up to 1; upgrade fflm$", "info", "newer")
    save_file(tensors | {"output.bias": np.zeros(5, np.float32)}, in_temporary_folder / "wrong", metadata)
    refused(r"^wrong is damaged: output.bias must be float32 of shape \(13,\), got float32 \(5,\)$", "info", "wrong")


def test_info_of_nothing(refused):
    refused("^info needs a MODEL, or --system$", "info")


# Ranges: of every option, from the configuration itself


def outside(item):
    """(value, rule) just outside the range of a configuration field."""
    limits, whole = item.metadata, "int" in item.type
    step = 1 if whole else 0.5
    if limits["choices"]:
        yield "wrong", f"one of {', '.join(limits['choices'])}"
        yield "", f"one of {', '.join(limits['choices'])}"
    if limits["low"] is not None:
        yield limits["low"] - step if item.name != "hidden_dims" else -1, f"at least {limits['low']}"
    if limits["above"] is not None:
        yield limits["above"], f"above {limits['above']}"
        yield limits["above"] - step, f"above {limits['above']}"
    if limits["high"] is not None:
        yield (
            limits["high"] * 2 if limits["high"] + step == limits["high"] else limits["high"] + step,
            f"at most {limits['high']}",
        )
    if limits["below"] is not None:
        yield limits["below"], f"below {limits['below']}"
        yield limits["below"] + step, f"below {limits['below']}"
    if not whole and not limits["choices"] and item.type != "str" and item.type != "str | None" and item.type != "bool":
        for value in (math.nan, math.inf, -math.inf):
            yield value, "(at least|above|at most|below) "


CASES = [
    (kind is SampleConfig, item.name, value, rule)
    for kind in (TokenizerConfig, DataConfig, ModelConfig, TrainConfig, SampleConfig)
    for item in fields(kind)
    for value, rule in outside(item)
]


def test_every_number_and_choice_has_a_range():
    for kind in (TokenizerConfig, DataConfig, ModelConfig, TrainConfig, SampleConfig):
        for item in fields(kind):
            if "int" in item.type or "float" in item.type:
                assert any(item.metadata[key] is not None for key in ("low", "above")), item.name


@pytest.mark.parametrize(("sampling", "name", "value", "rule"), CASES)
def test_option_out_of_its_range(refused, sampling, name, value, rule):
    flag = f"--{name.replace('_', '-')}={value}"
    command = ["sample", "runs/demo", flag] if sampling else [*train_new("text.txt"), flag]
    named = "--" + name.replace("_", "-")
    refused(f"^{named} must be {rule.replace('+', '[+]')}.*, got {re.escape(repr(value))}$", *command)


def test_negative_temperature(refused):
    refused("^--temperature must be at least 0.0, got -1.0$", "sample", "runs/demo", "--temperature", "-1")


def test_one_hidden_layer_of_several_is_empty(refused):
    refused("^--hidden-dims must be at least 1, got 0$", *train_new("text.txt"), "--hidden-dims", "20", "0")
    refused(
        "^--hidden-dims must not be empty without direct connections, got \\(\\); add --direct$",
        *train_new("text.txt"),
        "--hidden-dims",
        "0",
    )


@pytest.mark.parametrize(("verb", "rest"), [(c[0], c[1:]) for c in COMMANDS[:4]])
def test_threads(refused, verb, rest):
    refused("^--threads must be at least 1, got 0$", verb, "runs/demo", *rest, "--threads", "0")
    refused("^--threads must be at most 256, got 257$", verb, "runs/demo", *rest, "--threads", "257")


def test_top(refused):
    refused("^--top must be at least 1, got 0$", "predict", "runs/demo", "the", "--top", "0")


# Wrong usage: exit code 2, and how it is used


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["frobnicate"], "there is no command 'frobnicate'; the commands are train, ngram, mix, "),
        (["train"], "the following arguments are required: --out"),
        (["train", "text.txt"], "the following arguments are required: --out"),
        (["train", "--out", "new"], "the following arguments are required: SOURCE"),
        (["train", "text.txt", "--out", "new", "--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (["train", "text.txt", "--out", "new", "--epochs", "three"], "argument --epochs: invalid int value: 'three'"),
        (
            ["train", "text.txt", "--out", "new", "--hidden-dims", "100,50"],
            "argument --hidden-dims: several numbers stand with blanks between them, got '100,50'",
        ),
        (["train", "text.txt", "--out", "new", "--epochs", "1.5"], "argument --epochs: invalid int value: '1.5'"),
        (["train", "text.txt", "--out", "new", "--dropout", "half"], "argument --dropout: invalid float value: 'half'"),
        (["train", "text.txt", "--out", "new", "--hidden-dims"], "argument --hidden-dims: expected at least one arg"),
        (["perplexity"], "the following arguments are required: MODEL, SOURCE"),
        (["perplexity", "runs/demo"], "the following arguments are required: SOURCE"),
        (["predict", "runs/demo"], "the following arguments are required: CONTEXT"),
        (["sample"], "the following arguments are required: MODEL"),
        (["sample", "runs/demo", "a prompt"], "unrecognized arguments: a prompt"),
        (["info", "runs/demo", "--top", "3"], "unrecognized arguments: --top 3"),
    ],
)
def test_wrong_usage(fflm_main, in_temporary_folder, arguments, message):
    before = hashes(in_temporary_folder)
    code, out, err = fflm_main(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: fflm") and message in err
    assert hashes(in_temporary_folder) == before
