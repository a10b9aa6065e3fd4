"""Are the models of another commit the same to the bit? Carries out the runs of `tests/golden_runs.py` with both.

    python scripts/same_bits.py COMMIT

Writes the models of COMMIT and of the working tree into a temporary folder, each in a process of its own, and compares
files of one name: arrays and description of a model file, bytes of others. Prints a line for each that differs and a
count; ends with 1 if one does.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
KINDS = {".safetensors", ".npy", ".arpa"}
TIMES = "description.progress"  # of a training state: how many seconds it took, and the log


def write_models(out: Path) -> None:
    """Carry out every run in `out`."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from golden_runs import RUNS, carry_out, write_texts

    texts = out / "texts"
    texts.mkdir(parents=True)
    write_texts(texts)
    for name in RUNS:
        carry_out(name, out / name.replace(":", "-"), texts)


def content(path: Path) -> dict:
    """What a file holds, by name: the arrays of a model file and its description."""
    if path.suffix != ".safetensors":
        return {"bytes": path.read_bytes()}
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in arrays.items()} | {
            f"description.{name}": value for name, value in json.loads(file.metadata()["fflm"]).items()
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", nargs="?", help="what to compare the working tree with, such as HEAD~1")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write is not None:
        write_models(arguments.write)
        return 0
    if arguments.commit is None:
        parser.error("name a commit")
    with tempfile.TemporaryDirectory() as folder:
        other, work = Path(folder, "code"), Path(folder, "models")
        other.mkdir()
        archive = subprocess.run(
            ["git", "archive", arguments.commit, "fflm"], cwd=REPOSITORY, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", other], input=archive.stdout, check=True)
        for name, code in (("before", other), ("after", REPOSITORY)):
            command = [sys.executable, __file__, "--write", str(work / name)]
            subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(code)})
        before, after = (
            {path.relative_to(work / name): path for path in (work / name).rglob("*") if path.suffix in KINDS}
            for name in ("before", "after")
        )
        different = sorted(set(before) ^ set(after))
        for path in sorted(set(before) & set(after)):
            a, b = content(before[path]), content(after[path])
            names = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name) and name != TIMES]
            if names:
                different.append(path)
                print(f"{path}: {', '.join(names)}")
    print(f"{len(set(before) | set(after))} files, {len(different)} differ from {arguments.commit}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
