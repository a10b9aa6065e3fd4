"""Build the documentation as a site: README, the pages and notebooks of fflm/docs, and the reference from docstrings.

    python -m pip install '.[docs]'
    python scripts/site.py --out site

The pages are read as files too; links that leave fflm/docs become names in the site, pictures are copied.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import fflm

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "fflm" / "docs"
NAVIGATION = {
    "Home": "index.md",
    "For beginners": "tutorials/beginner.md",
    "For teachers": "tutorials/teacher.md",
    "For psycholinguists": "tutorials/psycholinguist.md",
    "For data engineers": "tutorials/data_engineer.md",
    "For speech engineers": "tutorials/speech_engineer.md",
    "For keyboard developers": "tutorials/keyboard_developer.md",
    "For researchers": "tutorials/researcher.md",
    "Training": "training.md",
    "Scoring texts": "scoring.md",
    "n-grams, mixtures, comparisons": "ngrams.md",
    "A page to explore models": "serve.md",
    "Word vectors, classification": "vectors.md",
    "The textbook network": "textbook.md",
    "Notebook: Bengio's network": "notebooks/bengio.ipynb",
    "Notebook: backpropagation": "notebooks/backpropagation.ipynb",
    "In Python": "python.md",
    "Reference": "reference.md",
    "The figures": "figures.md",
    "Coming from other tools, limits, troubleshooting": "coming_from.md",
    "The code": "code.md",
    "Changes": "changes.md",
}
CONFIG = """
site_name: fflm
site_description: Feedforward neural language models
docs_dir: docs
use_directory_urls: false
theme:
  name: material
  font: false
  palette:
    - media: "(prefers-color-scheme: light)"
      scheme: default
    - media: "(prefers-color-scheme: dark)"
      scheme: slate
markdown_extensions: [tables, fenced_code, toc]
validation:
  links: {anchors: warn}
plugins:
  - search
  - mkdocs-jupyter: {include_source: true}
  - mkdocstrings:
      handlers:
        python:
          options: {docstring_style: numpy, show_root_heading: true, show_source: false, members_order: source}
nav:
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("site"), metavar="FOLDER")
    out = parser.parse_args().out.resolve()
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "docs"
        shutil.copytree(DOCS, pages)
        assert {str(path.relative_to(DOCS)) for path in DOCS.rglob("*") if path.suffix in (".md", ".ipynb")} <= set(
            NAVIGATION.values()
        ), "a page is not in the navigation"
        for page in pages.rglob("*.md"):
            base = DOCS / page.relative_to(pages).parent
            page.write_text(inside(page.read_text(encoding="utf-8"), base, pages), encoding="utf-8")
        readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
        (pages / "index.md").write_text(inside(readme, REPOSITORY, pages), encoding="utf-8")
        shutil.copy(REPOSITORY / "CHANGELOG.md", pages / "changes.md")
        reference = "".join(f"::: {fflm._LAZY[name]}.{name}\n\n" for name in sorted(fflm.__all__, key=str.lower))
        (pages / "reference.md").write_text(f"# Reference\n\n{reference}", encoding="utf-8")
        config = CONFIG + "".join(f'  - "{title}": {page}\n' for title, page in NAVIGATION.items())
        (Path(folder) / "mkdocs.yml").write_text(config, encoding="utf-8")
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--clean", "--site-dir", str(out)]
        subprocess.run(command, check=True, cwd=folder)  # where the notebooks' plugin keeps its cache too
    print(f"{out / 'index.html'}: {sum(1 for _ in out.rglob('*.html'))} pages")


def inside(text: str, base: Path, pages: Path) -> str:
    """Let links point to what is in the site: pages to pages, pictures to copies; of other files the names stay."""

    def replaced(found: re.Match[str]) -> str:
        mark, label, target = found.groups()
        if target.startswith(("http", "#")):
            return found[0]
        path, _, anchor = target.partition("#")
        file = (base / path).resolve()
        if DOCS in file.parents:
            path = os.path.relpath(file, DOCS if base == REPOSITORY else base)
            return f"{mark}[{label}]({path}{'#' + anchor if anchor else ''})"
        if mark:
            shutil.copy(file, pages / file.name)
            return f"![{label}]({file.name})"
        return label if label.startswith("`") else f"`{path.removeprefix('../../')}`"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", replaced, text)


if __name__ == "__main__":
    main()
