"""The house rules, read from the sources: who imports whom, one door per package, sizes, docstrings."""

import ast
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "fflm"
FILES = sorted(HOUSE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
# A module imports from its own room and from rooms with a smaller number only; "fflm" is the package's public face.
LEVELS = {
    "errors": 0,
    "choices": 0,
    "config": 1,
    "expression": 2,
    "graph": 1,
    "interrupt": 1,
    "options": 0.5,
    "progress": 1,
    "report": 1,
    "kernels": 2,
    "text": 2,
    "nn": 3,
    "lm": 4,
    "evaluation": 5,
    "generation": 5,
    "storage": 5,
    "word_vectors": 5,
    "plot": 5,
    "budget": 1,
    "cores": 1,
    "checkpoint": 6,
    "classification": 4,
    "comparison": 6,
    "run": 6,
    "scoring": 6,
    "model_file": 6,
    "model_text": 3,
    "schedule": 7,
    "text_classifier": 8,
    "training": 8,
    "model": 9,
    "build": 10,
    "fflm": 11,
    "system": 12,
    "cli": 13,
    "__main__": 14,
}
DOORS = {
    "numba": "kernels/",
    "llvmlite": "kernels/",
    "nltk": "text/",
    "tqdm": "progress.py",
    "safetensors": "storage.py",
    "matplotlib": "plot.py",
    "sklearn": "plot.py",
}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
DOCUMENTED = {
    "choices",
    "classification",
    "text_classifier",
    "expression",
    "graph",
    "text",
    "nn",
    "lm",
    "evaluation",
    "generation",
    "storage",
    "training",
    "model",
    "model_file",
    "build",
    "schedule",
    "checkpoint",
    "comparison",
    "scoring",
    "report",
    "word_vectors",
}
LONGEST_FILE, LONGEST_FUNCTION = 320, 50  # lines; a docstring does not count as part of a function


def place(path):
    return path.relative_to(HOUSE).as_posix()


def room(path):
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


ROOMS = {room(path) for path in FILES} - {"__init__"}


def each_file(*rooms):
    paths = [path for path in FILES if not rooms or room(path) in rooms]
    return pytest.mark.parametrize("path", paths, ids=place)


def imports(path):
    """Dotted names of everything a module imports, and the line; `from a import b` gives a.b."""
    package = ["fflm", *path.relative_to(HOUSE).parts[:-1]]
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def test_there_is_a_house():
    assert {"errors", "config", "kernels", "text", "nn"} <= {room(path) for path in FILES}


@each_file()
def test_imports_point_downwards(path):
    own = room(path)
    if own == "__init__":
        return  # see the next test
    assert own in LEVELS and own != "fflm", f"{place(path)} belongs to no known room"
    for name, line in imports(path):
        first, _, rest = name.partition(".")
        if first != "fflm":
            continue
        other = rest.split(".")[0]
        if other not in ROOMS:
            other = "fflm"  # a name that the package itself offers
        assert other == own or LEVELS[other] < LEVELS[own], (
            f"{place(path)}:{line} imports {name}, which is not below it"
        )


def test_the_package_imports_its_rooms_only_when_asked():
    for node in TREES[HOUSE / "__init__.py"].body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            inside = getattr(node, "level", 0) or any(module.split(".")[0] == "fflm" for module in modules)
            low = all(module in ("fflm.errors", "fflm.config") for module in modules)
            assert low or not inside, f"__init__.py:{node.lineno} imports {modules} at once"


@each_file()
def test_one_door_for_each_package(path):
    for name, line in imports(path):
        package = name.split(".")[0]
        if package in sys.stdlib_module_names or package in ("fflm", "numpy"):
            continue
        assert package in DOORS, f"{place(path)}:{line} imports {package}, which has no door"
        door = DOORS[package]
        assert place(path).startswith(door), f"{place(path)}:{line} imports {package}, whose only door is {door}"


@each_file()
def test_nothing_that_runs_data(path):
    for name, line in imports(path):
        assert name.split(".")[0] not in FORBIDDEN_MODULES, f"{place(path)}:{line} imports {name}"
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            where = f"{place(path)}:{node.lineno}"
            if isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{where} calls {node.func.id}"
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle":
                    false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                    assert false, f"{where} allows pickle"


@each_file("kernels")
def test_one_decorator_compiles(path):
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Attribute) and node.attr in ("njit", "jit", "vectorize", "guvectorize", "prange"):
            assert place(path) == "kernels/_jit.py", f"{place(path)}:{node.lineno} uses numba.{node.attr}"


@each_file()
def test_ascii_and_sizes(path):
    text = path.read_bytes()
    assert text.isascii(), f"{place(path)} is not ASCII"
    assert text.count(b"\n") <= LONGEST_FILE, f"{place(path)} has {text.count(10)} lines, more than {LONGEST_FILE}"
    for node in functions(TREES[path]):
        first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
        length = node.end_lineno - first.lineno + 1
        assert length <= LONGEST_FUNCTION, f"{place(path)}:{node.lineno} {node.name} has {length} lines"


@each_file()
def test_modules_say_what_they_are(path):
    if TREES[path].body:
        assert ast.get_docstring(TREES[path]), f"{place(path)} has no docstring"


@each_file(*DOCUMENTED)
def test_public_names_have_docstrings(path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    todo = [(node, node.name) for node in TREES[path].body if isinstance(node, kinds)]
    while todo:
        node, name = todo.pop()
        if node.name.startswith("_"):
            continue
        assert ast.get_docstring(node), f"{place(path)}:{node.lineno} {name} has no docstring"
        if isinstance(node, ast.ClassDef):
            todo += [(child, f"{name}.{child.name}") for child in node.body if isinstance(child, kinds)]
