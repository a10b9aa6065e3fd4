"""Tests of scripts/time_to_quality.py: rows are computed once, what is missing is left out, and its rival is exact."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import REPOSITORY, noisy

from fflm.errors import TextError


@pytest.fixture
def script(monkeypatch):
    """``script("brown")``: a module of scripts/."""
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    yield importlib.import_module
    for name in ("brown", "rivals", "lstm", "time_to_quality"):
        sys.modules.pop(name, None)


@pytest.fixture
def table(script, tmp_path, monkeypatch):
    """The script with one small text, ``noise``, and no measurement of the machine."""
    module = script("time_to_quality")
    for seed, part in enumerate(("train", "valid", "test")):
        (tmp_path / f"{part}.txt").write_text(noisy(300 if part == "train" else 50, seed))
    paths = [str(tmp_path / f"{part}.txt") for part in ("train", "valid", "test")]
    monkeypatch.setattr(module, "TEXTS", {"noise": lambda out: module.Text(*paths)})
    monkeypatch.setattr(module, "fma_peak", lambda threads: 2e9)
    return module


def run(module, monkeypatch, capsys, *arguments):
    """Run the script in the current folder; its output and its errors."""
    monkeypatch.setattr(sys, "argv", ["time_to_quality.py", *arguments])
    capsys.readouterr()
    module.main()
    return capsys.readouterr()


def cells(out):
    """The first table's rows as lists of cells."""
    lines = [line for line in out.splitlines() if line.startswith("| noise")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "fflm" not in line]


def test_rows_are_computed_once(table, tmp_path, monkeypatch, capsys):
    arguments = ["--out", str(tmp_path / "out"), "--minutes", "0.01", "--contenders", "kneser-ney", "fflm"]
    first = run(table, monkeypatch, capsys, *arguments)
    stored = (tmp_path / "out" / "results.json").read_bytes()
    assert [row["contender"] for row in json.loads(stored).values()] == ["kneser-ney", "fflm"]
    assert all(row["machine"] == table.machine() and row["gflops"] == 2.0 for row in json.loads(stored).values())
    monkeypatch.setattr(table, "CONTENDERS", dict.fromkeys(table.CONTENDERS))  # none of them can be called
    again = run(table, monkeypatch, capsys, *arguments)
    assert again.out == first.out and again.err == ""
    assert (tmp_path / "out" / "results.json").read_bytes() == stored
    assert (tmp_path / "out" / "table.md").read_text() == first.out


def test_the_table_has_the_figures_of_the_reports(table, tmp_path, monkeypatch, capsys):
    arguments = ["--out", str(tmp_path / "out"), "--minutes", "0.01", "--contenders", "kneser-ney", "fflm"]
    out = run(table, monkeypatch, capsys, *arguments).out
    ngram, own = json.loads((tmp_path / "out" / "results.json").read_text()).values()
    for line, part in zip(cells(out), ("valid", "test"), strict=False):
        assert line[:3] == ["noise", part, "0.01"]
        values = [ngram[part], None, None, own["network"][part], own[part], own["caches"][part]]
        assert line[3:10] == [table.number(value) for value in [*values, own["dynamic"][part]]]
        assert line[10] == f"{own['network'][part] / ngram[part]:.2f}"
        assert line[11] == f"{own[part] / ngram[part]:.2f}"


def test_network_and_model_are_told_apart_where_the_report_does(table, tmp_path, monkeypatch):
    """The parts of a report are those of the run's model; a short run does not read the test text."""
    given = {}

    def train(source, **options):
        given.update(options)
        parts = {"network": {"valid": {"perplexity": 8.0}, "test": None}}
        sizes = {"seconds": 6.0, "epochs": 1.0, "tokens_per_second": 9.0, "parameters": 5}
        return SimpleNamespace(report=SimpleNamespace(valid={"perplexity": 6.0}, test=None, parts=parts, **sizes))

    monkeypatch.setattr(table.fflm, "train", train)
    text = replace(table.TEXTS["noise"](tmp_path), tested_after=20.0)
    row = table.feedforward(text, None, 5.0, tmp_path / "run")
    assert given["test"] is None and given["minutes"] == 5.0
    assert (row["valid"], row["network"], row["caches"], row["dynamic"]) == (6.0, {"valid": 8.0}, {}, {})
    assert text.tested(20.0) == text.test


def test_a_row_begins_anew_after_an_interrupted_one(table, tmp_path, monkeypatch, capsys):
    """The folder of a run that was stopped is removed, and its row is missing."""
    out, name = tmp_path / "out", "noise-0.01"
    (out / name).mkdir(parents=True)
    (out / name / "state.safetensors").write_bytes(b"of a run that was stopped")

    def train(*sources, **options):
        assert not (out / name).exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(table.fflm, "train", train)
    with pytest.raises(KeyboardInterrupt):
        run(table, monkeypatch, capsys, "--out", str(out), "--minutes", "0.01")
    assert "interrupted: 1 finished rows are kept" in capsys.readouterr().err
    assert [row["contender"] for row in json.loads((out / "results.json").read_text()).values()] == ["kneser-ney"]


def test_what_cannot_be_computed_is_left_out(table, tmp_path, monkeypatch, capsys):
    def absent(out):
        raise TextError("corpus noise must be on NLTK's data path, got none")

    monkeypatch.setattr(table, "TEXTS", {"noise": table.TEXTS["noise"], "absent": absent})

    def failing(*arguments):
        raise RuntimeError("No module named 'torch'")

    monkeypatch.setitem(table.CONTENDERS, "lstm-adam", failing)
    arguments = ["--out", str(tmp_path / "out"), "--minutes", "1", "--contenders", "kneser-ney", "lstm-adam"]
    result = run(table, monkeypatch, capsys, *arguments)
    name = f"noise; lstm-adam; 1 minutes; {table.machine()}"
    assert f"{name} is left out: No module named 'torch'\n" in result.err
    assert "absent is left out: corpus noise must be on NLTK's data path, got none\n" in result.err
    assert len(json.loads((tmp_path / "out" / "results.json").read_text())) == 1


def test_a_file_that_is_not_there_says_how_to_name_it(script, tmp_path):
    module = script("time_to_quality")
    with pytest.raises(module.FflmError, match="there is no file .*none; the environment variable X names its place"):
        module.existing(tmp_path / "none", "X")


def test_shakespeare_is_cut_at_line_ends(script, tmp_path, monkeypatch):
    module = script("time_to_quality")
    whole = noisy(400, seed=3)
    (tmp_path / "whole.txt").write_text(whole)
    monkeypatch.setattr(module, "SHAKESPEARE", tmp_path / "whole.txt")
    text = module.shakespeare(tmp_path, "char")
    parts = [Path(path).read_text() for path in (text.train, text.valid, text.test)]
    assert "".join(parts) == whole and all(part.endswith("\n") for part in parts)
    assert [round(len(part) / len(whole), 2) for part in parts] == [0.9, 0.05, 0.05]


def test_tables_keep_machines_apart(table):
    row = {"text": "noise", "contender": "kneser-ney", "fflm": "1", "valid": 9.0, "minutes": 0.1, "parameters": 7}
    rows = {name: row | {"machine": name, "gflops": peak} for name, peak in (("slow", 100.0), ("fast", 400.0))}
    lines = [line for line in table.tables(rows) if line.startswith("Machine")]
    peaks = [("fast", 400), ("slow", 100)]
    assert lines == [
        f"Machine: {name}; measured peak {peak} to {peak} GFLOP/s in single precision." for name, peak in peaks
    ]


# The LSTM


@pytest.fixture
def lstm(script):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.manual_seed(1)
    return script("lstm")


IDS = np.array([3, 4, 5, 6, 3, 4, 5, 3, 6, 6, 4], np.int32)


def test_the_lstm_predicts_each_word_once_and_forgets_at_breaks(lstm, monkeypatch):
    model, none = lstm.LSTM(7), np.zeros(0, np.int64)
    whole = lstm.log_probs(model, IDS, np.array([4]))
    apart = [lstm.log_probs(model, part, none) for part in (IDS[:4], IDS[4:])]
    np.testing.assert_allclose(whole, np.concatenate(apart), rtol=1e-6)
    monkeypatch.setattr(lstm, "CHUNK", 3)
    np.testing.assert_allclose(lstm.log_probs(model, IDS, np.array([4])), whole, rtol=1e-6)
    assert not np.allclose(lstm.log_probs(model, IDS, none)[4:], whole[4:])


def test_the_probabilities_of_the_lstm_sum_to_1(lstm):
    model, none = lstm.LSTM(7), np.zeros(0, np.int64)
    last = [lstm.log_probs(model, np.append(IDS, word).astype(np.int32), none)[-1] for word in range(7)]
    assert np.exp(last).sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_lstm_learns(lstm, optimizer):
    """On a cycle of four words its perplexity falls from 7, and the weights it keeps are those that were best."""
    ids, none = np.tile(np.array([3, 4, 5, 6], np.int32), 600), np.zeros(0, np.int64)
    texts = {"train": ids, "train_breaks": none, "valid": ids[:400], "valid_breaks": none}
    model = lstm.LSTM(7)
    before = lstm.quick_loss(model, *lstm.columns(texts["valid"], none))
    figures = lstm.train(model, texts, 0.4, optimizer, lstm.RATES[optimizer])
    assert lstm.quick_loss(model, *lstm.columns(texts["valid"], none)) < before
    assert figures["minutes"] >= 0.4 / 60.0 and figures["epochs"] > 0.0
