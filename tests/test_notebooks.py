"""The notebooks of the documentation, executed as a reader would, in a kernel of their own."""

import json

import pytest
from conftest import CODE

NOTEBOOKS = sorted((CODE / "fflm" / "docs" / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["backpropagation", "bengio"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_what_its_cells_show(path):
    """It was executed from its first cell to its last, and no cell failed or warned."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [one for one in outputs if one["output_type"] == "error" or one.get("name") == "stderr"]
    assert any("text/html" in one.get("data", {}) for one in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, environment, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="needs nbclient")
    nbformat = pytest.importorskip("nbformat", reason="needs nbformat")
    pytest.importorskip("ipykernel", reason="needs ipykernel")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    shown = kinds(notebook)
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    assert kinds(notebook) == shown


def kinds(notebook):
    """What kinds of things the cells show: figures may differ, text and pictures may not go missing."""
    shown = [[one for one in cell.get("outputs", []) if one.get("name") != "stderr"] for cell in notebook.cells]
    return [{(one["output_type"], *sorted(one.get("data", {}))) for one in outputs} for outputs in shown]
