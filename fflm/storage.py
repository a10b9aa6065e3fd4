"""Files: the model file and the training state, both safetensors; small JSON files beside them.

Every file is written under a temporary name, flushed to the disk and renamed: a reader sees the old file or the new
one, whatever happens meanwhile. Nothing read from a file is executed or taken for a path.

Model file: the parameters as float32 tensors, ``counts`` (V,) int64, and in the header's metadata ``format`` ("fflm"),
``version``, ``kind``, and as JSON ``model``, ``tokenizer`` (configurations) and ``words``.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np

from fflm.config import ModelConfig, TokenizerConfig, make
from fflm.errors import FflmError, ModelFileError
from fflm.lm import NeuralLanguageModel
from fflm.nn.parameters import shapes
from fflm.text import Tokenizer, Vocabulary

FORMAT, VERSION = "fflm", 1
MODEL, STATE, LOG, CONFIG = "model.safetensors", "state.safetensors", "log.jsonl", "config.json"
CURVE = "learning_curve.png"


def write(path: str | Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all.

    Raises
    ------
    FflmError
        If it can't be written; what was at `path` before is still there.
    """
    path = Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise FflmError(f"can't write {path}: {error.strerror or error}; what was there is untouched") from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _pack(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> bytes:
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(value) for name, value in tensors.items()}, metadata)


def _unpack(path: Path, kind: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of a file of ours, its format, version and kind checked."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelFileError(f"no such model: {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, TypeError, ValueError, MemoryError) as error:
        raise ModelFileError(f"{path} is not a model file, or it is damaged: {_one_line(error)}") from error
    if metadata.get("format") != FORMAT:
        raise ModelFileError(f"{path} was not written by fflm: its format is {metadata.get('format')!r}")
    version = metadata.get("version", "")
    if not version.isdecimal():
        raise ModelFileError(f"{path} is damaged: its version is {version!r}")
    if int(version) > VERSION:
        raise ModelFileError(f"{path} has format version {version}, this fflm reads up to {VERSION}; upgrade fflm")
    if metadata.get("kind") != kind:
        raise ModelFileError(f"{path} must hold a {kind}, got {metadata.get('kind')!r}")
    return tensors, metadata


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def model_path(path: str | Path) -> Path:
    """The model file that `path` means: itself, or the best model of a run folder."""
    path = Path(path)
    return path / MODEL if path.is_dir() else path


def save_model(model: NeuralLanguageModel, path: str | Path) -> None:
    """Write the model file; it holds all that is needed to use the model.

    Examples
    --------
    >>> import fflm
    >>> save_model(fflm.load("runs/stdlib"), "stdlib.safetensors")  # doctest: +SKIP
    """
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "kind": "neural language model",
        "model": json.dumps(model.config.to_dict()),
        "tokenizer": json.dumps(model.tokenizer.config.to_dict()),
        "words": json.dumps(model.vocabulary.words),
    }
    write(path, _pack(model.parameters | {"counts": model.vocabulary.counts}, metadata))


def load_model(path: str | Path, threads: int | None = None) -> NeuralLanguageModel:
    """Read a model file, or the best model of a run folder.

    Raises
    ------
    ModelFileError
        If it is missing, damaged, of a newer format, of wrong shapes or not a model.

    Examples
    --------
    >>> load_model("runs/stdlib").context_size  # doctest: +SKIP
    4
    """
    path = model_path(path)
    tensors, metadata = _unpack(path, "neural language model")
    try:
        config = make(ModelConfig, json.loads(metadata["model"]))
        tokenizer = Tokenizer(make(TokenizerConfig, json.loads(metadata["tokenizer"])))
        words = json.loads(metadata["words"])
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("words must be a list of strings")
        vocabulary = Vocabulary(words, tensors.pop("counts", None))
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, FflmError) as error:
        raise ModelFileError(f"{path} is damaged: {_one_line(error)}") from error
    expected = shapes(config, len(vocabulary))
    check_tensors(path, tensors, expected)
    return NeuralLanguageModel(config, vocabulary, tokenizer, tensors, threads)


def check_tensors(path: Path, tensors: dict[str, np.ndarray], expected: dict[str, tuple[int, ...]]) -> None:
    """Raise ModelFileError unless `tensors` are float32, finite and of the `expected` names and shapes."""
    for name, shape in expected.items():
        if name not in tensors:
            raise ModelFileError(f"{path} is damaged: {name} is missing")
        value = tensors[name]
        if value.shape != shape or value.dtype != np.float32:
            raise ModelFileError(
                f"{path} is damaged: {name} must be float32 of shape {shape}, got {value.dtype} {value.shape}"
            )
        if not np.isfinite(value).all():
            raise ModelFileError(f"{path} is damaged: {name} holds values that are not finite")
    if surplus := sorted(set(tensors) - set(expected)):
        raise ModelFileError(f"{path} is damaged: unexpected array {surplus[0]!r}")


def save_state(run: Path, tensors: dict[str, np.ndarray], progress: dict) -> None:
    """Write the training state of a run folder: arrays, and a JSON object that says where training stands."""
    metadata = {"format": FORMAT, "version": str(VERSION), "kind": "training state", "progress": json.dumps(progress)}
    write(run / STATE, _pack(tensors, metadata))


def load_state(run: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Read what `save_state` wrote."""
    tensors, metadata = _unpack(run / STATE, "training state")
    try:
        return tensors, json.loads(metadata["progress"])
    except (KeyError, ValueError) as error:
        raise ModelFileError(f"{run / STATE} is damaged: {_one_line(error)}") from error


def write_json(path: Path, value: dict) -> None:
    """Write one JSON object."""
    write(path, (json.dumps(value, indent=2) + "\n").encode())


def write_log(run: Path, records: list[dict]) -> None:
    """Write the log of a run: one JSON object a line, one line a validation."""
    write(run / LOG, "".join(json.dumps(record) + "\n" for record in records).encode())


def read_json(path: Path) -> dict:
    """Read one JSON object, or raise ModelFileError."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} can't be read: {_one_line(error)}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"{path} must hold a JSON object, got {type(value).__name__}")
    return value


def is_run(path: Path) -> bool:
    """Whether a folder holds files of a run."""
    return any((path / name).exists() for name in (MODEL, STATE, LOG, CONFIG))
