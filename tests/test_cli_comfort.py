"""What makes the command line comfortable: silence on request, and completion in a shell."""

import shutil
import subprocess
import sys

import pytest


def test_quiet_leaves_stderr_to_errors(fflm_main, here):
    loud = fflm_main("score", "neural", "valid.txt", "--per-line")
    silent = fflm_main("score", "neural", "valid.txt", "--per-line", "--quiet")
    assert loud.err != "" and silent.err == "" and silent.out == loud.out and silent.code == 0
    code, out, err = fflm_main("perplexity", "neural", "missing.txt", "--quiet")
    assert (code, out) == (1, "") and err.startswith("fflm: error: ") and err.count("\n") == 1


def test_quiet_training_says_nothing_but_its_report(fflm_cli, here):
    flags = "--hidden-dims 4 --embedding-dim 3 --epochs 1 --quiet".split()
    code, out, err = fflm_cli("train", "train.txt", "--out", "quiet", *flags, cwd=here)
    assert code == 0 and err == "" and out.startswith("run          quiet ")


def test_completion_is_a_script_of_the_shell(fflm_main):
    pytest.importorskip("shtab", reason="needs the completion extra")
    code, out, err = fflm_main("completion", "bash")
    assert (code, err) == (0, "") and "--hidden-dims" in out and "perplexity" in out
    bash = shutil.which("bash")
    if bash:
        assert subprocess.run([bash, "-n"], input=out, text=True).returncode == 0
    assert "#compdef fflm" in fflm_main("completion", "zsh").out


def test_completion_without_the_extra(fflm_main, monkeypatch):
    from fflm.cli import completion

    monkeypatch.setattr(completion, "find_spec", lambda name: None)
    code, out, err = fflm_main("completion", "bash")
    assert (code, out) == (1, "")
    assert err == "fflm: error: completion needs shtab: python -m pip install 'fflm[completion]'\n"


def test_a_notebook_gets_widgets_and_other_streams_lines(monkeypatch):
    from types import SimpleNamespace

    from fflm.runtime import progress

    assert not progress._in_notebook()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    assert not progress._in_notebook()  # without ipywidgets nothing could be drawn
    monkeypatch.setattr(progress, "find_spec", lambda name: object())
    assert progress._in_notebook()
