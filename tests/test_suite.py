"""The suite itself: which tests may skip, and that others fail if they do, on request."""

from types import SimpleNamespace

import pytest
from conftest import MAY_SKIP, REPOSITORY, _without_skips


@pytest.mark.parametrize("name", MAY_SKIP)
def test_what_may_skip_is_there_and_has_a_reason(name):
    file, _, function = name.partition("::")
    assert f"\ndef {function}(" in (REPOSITORY / file).read_text(encoding="utf-8")
    assert MAY_SKIP[name].endswith(".")


@pytest.mark.parametrize(
    "asked, name, outcome",
    [
        (False, "tests/test_a.py::test_b", "skipped"),
        (True, "tests/test_a.py::test_b", "failed"),
        (True, next(iter(MAY_SKIP)), "skipped"),
        (True, next(iter(MAY_SKIP)) + "[1]", "skipped"),
    ],
)
def test_a_skip_fails_on_request(asked, name, outcome):
    report = SimpleNamespace(nodeid=name, skipped=True, outcome="skipped", longrepr=("file", 1, "Skipped: no torch"))
    config = SimpleNamespace(getoption={"no_skips": asked}.get)
    report = _without_skips(config, report)
    assert report.outcome == outcome
    if outcome == "failed":
        assert report.longrepr == f"{name} may not skip: Skipped: no torch"
