"""The lessons that need no browser run from top to bottom, and answer what they ask."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def outputs(cell: nbformat.NotebookNode) -> str:
    return "".join(part.get("text", "") or part.get("data", {}).get("text/plain", "") for part in cell.outputs)


def test_the_kernels_answer_from_a_script(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOKS / "02_script.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    streamed, table, joint, receipts, picture, measures, rows, answered = (
        c for c in notebook.cells if c.cell_type == "code"
    )
    assert outputs(streamed).rstrip().endswith("100% of 96 maps exact")
    assert "helpful, lowers the score" in outputs(table)
    assert "together" in outputs(joint)
    assert outputs(receipts).count("100 % of them move it less") == 2, "the lesson says that both point at what matters"
    assert any("image/png" in part.get("data", {}) for part in picture.outputs)
    assert all(axis in outputs(measures) for axis in ("entropy", "noise", "resilience", "focus", "stability"))
    assert "fixed" in outputs(rows)
    assert "Helpful and harmful maps" in outputs(answered)
    errors = [part for cell in notebook.cells for part in cell.get("outputs", []) if part.get("name") == "stderr"]
    assert not errors, errors


def test_a_study_of_photographs(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOKS / "03_study.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    made, maps, runs, answers, shown = (cell for cell in notebook.cells if cell.cell_type == "code")
    assert "171 of 171 images and tables are done." in outputs(made)
    assert "delta_error" in outputs(maps)
    assert outputs(runs).count("0.") >= 9
    assert "of the photographs" in outputs(answers)
    assert any("application/vnd.jupyter.widget-view+json" in part.get("data", {}) for part in shown.outputs)
    assert (tmp_path / "quality-study" / "tables" / "README.md").exists()
    errors = [part for cell in notebook.cells for part in cell.get("outputs", []) if part.get("name") == "stderr"]
    assert not errors, errors
