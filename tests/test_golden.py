"""Golden numbers: the first losses of small runs, from commit to commit and from processor to processor.

To write the table anew, after a change of the arithmetic that is meant: ``python tests/test_golden.py``.
"""

import json
import tempfile
from pathlib import Path

import pytest
from golden_runs import RUNS, carry_out, write_texts

TABLE = Path(__file__).with_name("golden.json")
GOLDEN = json.loads(TABLE.read_text()) if TABLE.exists() else {}
TOLERANCE = 1e-5  # relative: processors differ in how they round the sums within a product
SMALL = 1e-6  # absolute, for gradients near 0: sums of float32 numbers of about 1


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    write_texts(folder)
    return folder


def test_the_table_has_every_run():
    assert set(GOLDEN) == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_figures_are_those_of_the_table(name, texts, tmp_path):
    found = carry_out(name, tmp_path / "run", texts)
    assert set(found) == set(GOLDEN[name])
    for what, figures in GOLDEN[name].items():
        assert found[what] == pytest.approx(figures, rel=TOLERANCE, abs=SMALL), what


def test_a_changed_figure_fails(texts, tmp_path):
    """The tolerance is narrow enough to see a change of one part in ten thousand."""
    found = carry_out("ngram:order-3", tmp_path / "run", texts)
    assert found["test"] * 1.0001 != pytest.approx(GOLDEN["ngram:order-3"]["test"], rel=TOLERANCE)


def write_table() -> None:
    """Carry out every run and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder)
        write_texts(texts)
        table = {name: carry_out(name, texts / name.replace(":", "-"), texts) for name in RUNS}
    lines = (f"{json.dumps(name)}: {json.dumps(figures)}" for name, figures in table.items())
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write_table()
