"""Tests of the architecture, which read the sources: imports, third-party packages, classes, docstrings."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "fflm"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}

#: The subpackages in layers: a module imports from the subpackage it is in and from layers above this one only.
LAYERS = [
    ["errors"],
    ["config", "runtime", "storage"],
    ["html"],
    ["kernels"],
    ["text"],
    ["nn"],
    ["lm", "classification", "teaching"],
    ["evaluation", "generation", "word_vectors", "model_file", "plots"],
    ["training", "rescoring"],
    ["api"],
    ["compat", "server"],
    ["cli"],
    ["__main__"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
#: The same rule for the modules inside a subpackage.
INSIDE = {
    "nn": [
        ["buffers", "draws", "batches", "parameters"],
        ["encoders", "layers", "optimizers", "product_speed"],
        ["inputs", "outputs"],
        ["network"],
        ["language_model", "steps"],
    ],
    "text": [
        ["notes", "order", "sources", "tokenizer"],
        ["vocabulary", "corpora", "scripts", "records", "spans"],
        ["marks"],
        ["stream", "labelled"],
        ["leaks", "documents"],
        ["dataset"],
    ],
}
THIRD_PARTY = {
    "numba": "kernels/",
    "llvmlite": "kernels/",
    "nltk": ("text/", "compat/nltk.py"),
    "tqdm": "runtime/progress.py",
    "safetensors": "storage/",
    "matplotlib": "plots/",
    "sklearn": ("plots/", "api/text_classifier.py"),
    "shtab": "cli/completion.py",
    **dict.fromkeys(["fastapi", "starlette", "pydantic", "uvicorn", "anyio"], "server/"),
}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def place(path):
    return path.relative_to(PACKAGE).as_posix()


def folder(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def each_file(*folders):
    paths = [path for path in FILES if not folders or folder(path) in folders]
    return pytest.mark.parametrize("path", paths, ids=place)


def imports(path):
    """Dotted names of everything a module imports, and the line; `from a import b` gives a.b."""
    package = ["fflm", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def test_every_subpackage_is_in_a_layer():
    assert {folder(path) for path in FILES} - {"__init__"} == set(LEVEL)


def may_import(importer, imported, level):
    return imported == importer or level[imported] < level[importer]


@each_file()
def test_imports_point_downwards(path):
    importer = folder(path)
    if importer == "__init__":
        return  # see the next test
    for name, line in imports(path):
        first, _, rest = name.partition(".")
        if first != "fflm":
            continue
        other = rest.split(".")[0]
        other = other if other in LEVEL else "api"  # a public name of the package `fflm`
        message = f"{place(path)}:{line} imports {name}, which is not below it"
        assert may_import(importer, other, LEVEL), message


@each_file(*INSIDE)
def test_imports_within_a_subpackage_point_downwards(path):
    parts = [part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts]
    if parts[1] == "__init__":
        return
    level = {name: i for i, names in enumerate(INSIDE[parts[0]]) for name in names}
    assert parts[1] in level, f"{place(path)} has no place in {parts[0]}/"
    for name, line in imports(path):
        names = name.split(".")
        if names[:2] == ["fflm", parts[0]] and len(names) > 2:
            other = names[2] if names[2] in level else None
            assert other is not None, f"{place(path)}:{line} imports {name} from the subpackage's __init__"
            assert may_import(parts[1], other, level), f"{place(path)}:{line} imports {name}, which is not below it"


def test_the_package_init_imports_subpackages_lazily():
    for node in TREES[PACKAGE / "__init__.py"].body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            inside = getattr(node, "level", 0) or any(module.split(".")[0] == "fflm" for module in modules)
            low = all(module in ("fflm.errors", "fflm.config") for module in modules)
            assert low or not inside, f"__init__.py:{node.lineno} imports {modules} at once"


@each_file()
def test_each_third_party_package_is_imported_in_one_place(path):
    for name, line in imports(path):
        package = name.split(".")[0]
        if package in sys.stdlib_module_names or package in ("fflm", "numpy"):
            continue
        assert package in THIRD_PARTY, f"{place(path)}:{line} imports {package}, which THIRD_PARTY does not list"
        allowed = THIRD_PARTY[package]
        assert place(path).startswith(allowed), f"{place(path)}:{line} imports {package}, which only {allowed} may"


@each_file()
def test_no_module_executes_data(path):
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
def test_numba_decorators_are_used_in_one_module(path):
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Attribute) and node.attr in ("njit", "jit", "vectorize", "guvectorize", "prange"):
            assert place(path) == "kernels/_jit.py", f"{place(path)}:{node.lineno} uses numba.{node.attr}"


@each_file()
def test_sources_are_ascii(path):
    assert path.read_bytes().isascii(), f"{place(path)} is not ASCII"


MOST_ATTRIBUTES, MOST_METHODS, MOST_PARAMETERS = 20, 20, 13


@each_file()
def test_classes_and_functions_are_small(path):
    """A class sets few attributes and has few public methods; a function has few parameters."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ClassDef):
            attributes = {
                child.attr
                for child in ast.walk(node)
                if isinstance(child, ast.Attribute)
                and isinstance(child.ctx, ast.Store)
                and isinstance(child.value, ast.Name)
                and child.value.id == "self"
            }
            methods = [child.name for child in node.body if isinstance(child, ast.FunctionDef) and child.name[0] != "_"]
            where = f"{place(path)}:{node.lineno} {node.name}"
            assert len(attributes) <= MOST_ATTRIBUTES, f"{where} has {len(attributes)} attributes: {sorted(attributes)}"
            assert len(methods) <= MOST_METHODS or folder(path) == "teaching", f"{where} has {len(methods)} methods"
        elif isinstance(node, ast.FunctionDef):
            count = len(node.args.args) + len(node.args.kwonlyargs)
            assert count <= MOST_PARAMETERS, f"{place(path)}:{node.lineno} {node.name} has {count} parameters"


@each_file()
def test_no_public_name_shadows_a_module(path):
    """`fflm.x.y` is the module y, not a function that the subpackage's `__init__` imports from it."""
    if path.name != "__init__.py" or path.parent == PACKAGE:
        return
    modules = {child.stem for child in path.parent.glob("*.py")} | {c.name for c in path.parent.iterdir() if c.is_dir()}
    names = {name.rpartition(".")[2] for name, _ in imports(path)}
    names |= {node.name for node in TREES[path].body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert not modules & names, f"{place(path)} hides {sorted(modules & names)}"


@each_file()
def test_modules_have_docstrings(path):
    if TREES[path].body:
        assert ast.get_docstring(TREES[path]), f"{place(path)} has no docstring"


@each_file(*(set(LEVEL) - {"cli", "kernels"}))
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
