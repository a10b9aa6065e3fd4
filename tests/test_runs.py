"""Runs as records: what came of them, with what options, on which machine; tables of many; repeated runs."""

import csv
import io
import json
import re
import statistics
from pathlib import Path

import pytest
from conftest import noisy

import fflm
from fflm.api.runs import find_runs, read_run, table_of_runs
from fflm.errors import ConfigError, ModelFileError

SMALL = {"context_size": 2, "embedding_dim": 4, "hidden_dims": 6, "batch_size": 32, "epochs": 2, "bag_size": 0}
FLAGS = [part for name, value in SMALL.items() for part in ("--" + name.replace("_", "-"), value)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, workshop):
    folder = tmp_path_factory.mktemp("records") / "runs"
    text = workshop / "text.txt"
    for seed in (1, 2):
        fflm.train(text, valid=text, test=text, out=folder / f"s{seed}", seed=seed, quiet=True, **SMALL)
    fflm.train(text, valid=text, out=folder / "sgd", optimizer="sgd", quiet=True, **SMALL)
    return folder


def test_a_run_says_what_came_of_it_and_how(runs, workshop):
    record = read_run(runs / "s1")
    report, options = record["report"], record["options"]
    assert report["test"]["perplexity"] == report["test_perplexity"]
    assert report["test"]["perplexity_low"] < report["test_perplexity"] < report["test"]["perplexity_high"]
    assert (options["seed"], options["context_size"], options["learning_rate"]) == (1, 2, report["learning_rate"])
    assert options["learning_rate"] > 0 and options["weight_decay"] is not None
    assert read_run(runs / "sgd")["options"]["learning_rate"] != options["learning_rate"]
    assert record["texts"]["train"]["tokens"] == 1600
    assert set(record["texts"]) == {"train", "valid", "test"}
    assert record["texts"]["valid"]["sha256"] == record["texts"]["test"]["sha256"]
    assert {"fflm", "numpy", "numba", "python", "processor", "threads", "peak_gflops"} <= set(record["machine"])
    assert record["machine"]["peak_gflops"] > 0


def test_the_learning_curve_is_data(runs, workshop):
    history = read_run(runs / "s1")["report"]["history"]
    assert [round(row["epochs"]) for row in history] == [1, 2]
    log = [json.loads(line) for line in (runs / "s1" / "log.jsonl").read_text().splitlines()]
    assert history == log
    model = fflm.train(workshop / "text.txt", quiet=True, **SMALL)
    assert [row["step"] for row in model.report.history] == [48, 96]


def test_info_shows_a_run(runs, fflm_main):
    code, out, _ = fflm_main("info", runs / "s1")
    assert code == 0
    assert re.search(r"^test         perplexity \d+\.\d\d \(95 % interval", out, re.MULTILINE)
    assert "run.machine.peak_gflops" in out and "run.report" not in out and "history" not in out
    facts = json.loads(fflm_main("info", runs / "s1", "--json").out)
    assert facts["run"] == read_run(runs / "s1")


def test_runs_that_differ_in_the_seed_are_summed_up(runs):
    rows = table_of_runs([runs])
    assert [row["run"] for row in rows[:3]] == [str(runs / name) for name in ("s1", "s2", "sgd")]
    mean, deviation = rows[3:]
    values = [row["valid"] for row in rows[:2]]
    assert mean["run"] == f"mean of 2 seeds: {runs / 's1'}, s2"
    assert (mean["valid"], deviation["valid"]) == (statistics.fmean(values), statistics.stdev(values))
    assert (mean["seed"], mean["stopped"]) == (None, None)
    assert len(table_of_runs([runs / "s1", runs / "sgd"])) == 2
    assert [row["valid"] for row in table_of_runs([runs], sort="valid")[:3]] == sorted(row["valid"] for row in rows[:3])


def test_the_table_on_the_command_line(runs, fflm_main):
    code, out, err = fflm_main("runs", runs, "--sort", "valid")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == (
        "run valid test network_valid network_test epochs seconds seed stopped".split()
    )
    assert len(out.splitlines()) == 6
    rows = list(csv.DictReader(io.StringIO(fflm_main("runs", runs, "--csv").out)))
    assert [float(row["valid"]) for row in rows] == [row["valid"] for row in table_of_runs([runs])]
    assert json.loads(fflm_main("runs", runs, "--json").out) == table_of_runs([runs])
    curve = list(csv.DictReader(io.StringIO(fflm_main("runs", runs / "s1", runs / "s2", "--curve").out)))
    assert [(row["run"], int(row["step"])) for row in curve] == [
        (str(runs / name), step) for name in ("s1", "s2") for step in (50, 100)
    ]


def test_a_run_is_repeated_from_its_report(runs, tmp_path, fflm_main):
    """The same texts and options: the same weights, to the bit; an option that is given wins."""
    for config in (runs / "s2" / "report.json", runs / "s2"):
        out = tmp_path / config.name
        code, _, err = fflm_main("train", "--config", config, "--out", out)
        assert code == 0, err
        for name in ("model.safetensors", "network.safetensors"):
            assert (out / name).read_bytes() == (runs / "s2" / name).read_bytes()
    code, _, _ = fflm_main("train", "--config", runs / "sgd", "--out", tmp_path / "other", "--hidden-dims", 3)
    assert code == 0
    options = read_run(tmp_path / "other")["options"]
    assert (options["hidden_dims"], options["optimizer"]) == ([3], "sgd")


def test_several_seeds_in_one_command(tmp_path, workshop, fflm_main):
    text = workshop / "text.txt"
    code, out, err = fflm_main("train", text, "--out", tmp_path / "many", *FLAGS, "--seeds", 3, 4)
    assert code == 0, err
    assert [line.split()[0] for line in out.splitlines()][:3] == [
        "run",
        *(str(tmp_path / "many" / f"seed-{seed}") for seed in (3, 4)),
    ]
    assert out.splitlines()[3].startswith("mean of 2 seeds")
    assert [read_run(path)["options"]["seed"] for path in find_runs([tmp_path / "many"])] == [3, 4]


def test_several_seeds_go_on_and_more_of_them_begin(tmp_path, fflm_main):
    """Runs that are there go on, or are done; those that are missing begin."""
    text, many = tmp_path / "text.txt", tmp_path / "many"
    text.write_text(noisy(100, seed=1))
    assert fflm_main("train", text, "--out", many, *FLAGS, "--seeds", 3).code == 0
    before = (many / "seed-3" / "model.safetensors").read_bytes()
    code, out, err = fflm_main("train", text, "--out", many, *FLAGS, "--seeds", 3, 4, "--resume")
    assert code == 0, err
    assert [path.name for path in find_runs([many])] == ["seed-3", "seed-4"]
    assert (many / "seed-3" / "model.safetensors").read_bytes() == before
    assert "note: each seed has held out other text for validation; with --valid FILE all have the same\n" in err
    code, _, err = fflm_main("train", text, "--valid", text, "--out", tmp_path / "same", *FLAGS, "--seeds", 3, 4)
    assert code == 0 and "held out other text" not in err


def test_a_run_that_is_repeated_on_other_text_says_so(tmp_path, workshop, fflm_main, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.txt").write_text((workshop / "text.txt").read_text())
    assert fflm_main("train", "mine.txt", "--valid", workshop / "text.txt", "--out", "a", *FLAGS).code == 0
    code, _, err = fflm_main("train", "--config", "a", "--out", "b")
    assert code == 0 and "is not that of" not in err
    with open("mine.txt", "a") as file:
        file.write("the cat sat .\n")
    code, _, err = fflm_main("train", "--config", "a", "--out", "c")
    assert code == 0 and err.count("text is not that of") == 1
    assert "note: the training text is not that of a: it has changed, or is another one\n" in err


def test_what_is_no_record_of_a_run_is_named(tmp_path, fflm_main):
    (tmp_path / "text.txt").write_text("the cat\n")
    error = f"fflm: error: {tmp_path / 'text.txt'} is neither a run folder nor the report.json of one\n"
    for command in (["runs", tmp_path / "text.txt"], ["train", "--config", tmp_path / "text.txt", "--out", "x"]):
        assert fflm_main(*command) == (1, "", error)


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--seeds", 1, 1], "--seeds must differ, got 1 1"),
        (["--seeds", 1, "--seed", 2], "--seeds must not be given together with --seed"),
    ],
)
def test_seeds_that_are_refused(tmp_path, workshop, fflm_main, flags, error):
    code, out, err = fflm_main("train", workshop / "text.txt", "--out", tmp_path / "x", *flags)
    assert (code, out, err) == (1, "", f"fflm: error: {error}\n")


def test_what_is_no_run(runs, tmp_path, fflm_main):
    with pytest.raises(ModelFileError, match=r"^there is no report.json in .*; it is no run folder$"):
        read_run(tmp_path)
    with pytest.raises(ConfigError, match="^sort must be one of valid, test, .*, got 'valdi'"):
        table_of_runs([runs], sort="valdi")
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(ModelFileError, match="is damaged: report or options are missing"):
        read_run(tmp_path)
    code, out, err = fflm_main("train", "--out", tmp_path / "x")
    assert (code, out) == (2, "") and "the following arguments are required: SOURCE" in err
    code, out, err = fflm_main("train", "--out", tmp_path / "x", "--config", tmp_path / "missing")
    assert (code, out) == (1, "") and err.startswith("fflm: error: there is no report.json in ")
