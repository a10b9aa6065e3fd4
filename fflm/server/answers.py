"""The answers of the JSON interface, computed from models. Nothing here knows of connections."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from fflm.api.load import load
from fflm.api.model import Model
from fflm.api.runs import read_run
from fflm.api.surprisal import surprisal
from fflm.errors import ConfigError, FflmError, did_you_mean, shown
from fflm.generation import influences
from fflm.lm import network_in
from fflm.model_file.paths import model_path
from fflm.plots.word_map import word_places
from fflm.server import records
from fflm.training.run_folder import CONFIG, LOG, REPORT


class Served:
    """A model that is served: read when it is first asked for, and again when its file has changed.

    Parameters
    ----------
    path : str
        A run folder, perhaps of a run that goes on, or a model file.
    threads : int, optional
    """

    def __init__(self, path: str, threads: int | None = None):
        self.name = path
        self._path, self._threads, self._lock = Path(path), threads, Lock()
        self._model: Model | None = None
        self._state: tuple[int, int] | None = None
        self._maps: dict[int, records.MapAnswer] = {}

    @property
    def is_run(self) -> bool:
        """Whether it is a run folder."""
        return (self._path / CONFIG).is_file()

    def model(self) -> Model:
        """Return the model as its file is now.

        Raises
        ------
        ModelFileError, ConfigError
            If it can't be read, or is no language model.
        """
        with self._lock:
            state = self._stamp()
            if self._model is None or state != self._state:
                found = load(self._path, self._threads)
                if not isinstance(found, Model):
                    raise ConfigError(f"{self.name} must be a language model, got a text classifier")
                self._model, self._state, self._maps = found, state, {}
            return self._model

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = model_path(self._path).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def map(self, words: int) -> records.MapAnswer:
        """Return a map of its most frequent words; the same map is computed once."""
        vectors = self.model().word_vectors()
        with self._lock:
            if words not in self._maps:
                names, matrix = vectors.most_frequent(words)
                places, method = word_places(matrix)
                low, size = places.min(axis=0), places.max(axis=0) - places.min(axis=0)
                places = ((places - low) / [s or 1.0 for s in size.tolist()]).clip(0.0, 1.0)
                rows = zip(names, places.tolist(), strict=True)
                placed = [records.PlacedWord(word=word, x=x, y=y) for word, (x, y) in rows]
                self._maps[words] = records.MapAnswer(method=method, words=placed)
            return self._maps[words]

    def run(self) -> records.RunAnswer:
        """Return the training so far.

        Raises
        ------
        FflmError
            If it is no run folder.
        """
        if not self.is_run:
            raise ConfigError(f"{self.name} is no run folder, whose training could be shown")
        report = read_run(self._path)["report"] if (self._path / REPORT).exists() else {}
        log = self._path / LOG
        history = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return records.RunAnswer(
            finished=bool(report),
            history=[records.Validation.model_validate_json(line) for line in history],
            valid_perplexity=report.get("valid_perplexity"),
            test_perplexity=report.get("test_perplexity"),
        )

    def about(self) -> records.OneModel:
        """Return what it is, or why it can't be read."""
        try:
            lm = self.model().lm
        except FflmError as error:
            return records.OneModel(name=self.name, kind=None, run=self.is_run, problem=str(error))
        described = lm.describe()
        return records.OneModel(
            name=self.name,
            kind=described["kind"],
            words=len(lm.vocabulary),
            parameters=described["parameters"],
            reach=lm.reach,
            tokenizer=lm.tokenizer.config.tokenizer,
            boundary=lm.tokenizer.config.boundary,
            vectors=network_in(lm) is not None,
            run=self.is_run,
        )


class Answers:
    """What some models answer; a request names one of them, and can name nothing else.

    Parameters
    ----------
    paths : sequence of str
        Run folders and model files.
    threads : int, optional
        Worker threads of each model.

    Raises
    ------
    ConfigError
        If two are the same, or there is none.
    """

    def __init__(self, paths: Sequence[str], threads: int | None = None):
        self.served = {path: Served(path, threads) for path in paths}
        if len(self.served) != len(paths) or not paths:
            raise ConfigError(f"models must be different ones, at least one, got {', '.join(paths) or 'none'}")

    def named(self, name: str | None) -> Served:
        """Return the model of this name, or the first one.

        Raises
        ------
        ConfigError
            If there is none.
        """
        if name is None:
            return next(iter(self.served.values()))
        if name not in self.served:
            near = did_you_mean(name, self.served)
            raise ConfigError(f"no such model: {shown(name)}" + (f"; did you mean {near}" if near else ""))
        return self.served[name]

    def models(self) -> records.ModelsAnswer:
        """Return what is served."""
        return records.ModelsAnswer(models=[one.about() for one in self.served.values()])

    def predict(self, asked: records.PredictRequest) -> records.PredictAnswer:
        """Predict the next word."""
        model = self.named(asked.model).model()
        found = [p.to_dict() for p in model.predict(asked.context, asked.top, asked.prefix, asked.special)]
        word = asked.word if asked.word is not None else found[0]["word"] if found else None
        influence = None
        if asked.influence and word is not None:
            influence = [records.ContextWord(**one.to_dict()) for one in influences(model.lm, asked.context, word)]
        return records.PredictAnswer(
            predictions=[records.PredictedWord(**one) for one in found],
            word=word if asked.influence else None,
            influence=influence,
        )

    def sample(self, asked: records.SampleRequest) -> records.SampleAnswer:
        """Continue a text."""
        options = asked.model_dump(exclude={"model", "prompt", "special"})
        drawn = self.named(asked.model).model().sample(asked.prompt, asked.special, **options)
        return records.SampleAnswer(samples=[records.SampledText(**one.to_dict()) for one in drawn])

    def score(self, asked: records.ScoreRequest) -> records.ScoreAnswer:
        """Score the words of a text."""
        names: list[str | None] = [None] if asked.models is None else [*asked.models]
        if len(set(names)) < len(names):
            raise ConfigError("models must be different ones")
        return records.ScoreAnswer(texts=[scored(self.named(name), asked.text) for name in names])

    def neighbors(self, asked: records.NeighborsRequest) -> records.NeighborsAnswer:
        """Find the words whose vectors are nearest."""
        found = self.named(asked.model).model().word_vectors().neighbors(asked.word, asked.top)
        return records.NeighborsAnswer(neighbors=[records.NearWord(**near.to_dict()) for near in found])

    def map(self, asked: records.MapRequest) -> records.MapAnswer:
        """Draw the map of the most frequent words."""
        return self.named(asked.model).map(asked.words)

    def run(self, asked: records.RunRequest) -> records.RunAnswer:
        """Look at a training run."""
        return self.named(asked.model).run()


def scored(one: Served, text: str) -> records.ScoredText:
    """Score the words of a text; where they stand is said in characters of the text, whose lines stay.

    In the boundary ``line`` each line is by itself; else the text runs on across its lines.
    """
    model = one.model()
    lines = [(found.start(), found[0]) for found in re.finditer(r"[^\n]+", text)]
    by_line = model.lm.tokenizer.config.boundary == "line"
    rows = surprisal(
        model,
        [line for _, line in lines],
        context="line" if by_line else "file",
        punctuation="apart",
        no_entropy=True,
        end=by_line,
    )
    words, bits = [], [row["surprisal"] for row in rows]
    for row in rows:
        if row["end"] > row["start"]:
            start = lines[row["line"] - 1][0]
            place = {"start": start + row["start"], "end": start + row["end"]}
            of_word = {name: row[name] for name in ("word", "surprisal", "unknown")}
            words.append(records.ScoredWord(**of_word | place))
    known = bits and None not in bits and all(map(math.isfinite, bits))
    total = math.fsum(bits) if known else None
    return records.ScoredText(
        model=one.name,
        words=words,
        bits=total,
        bits_per_word=None if total is None or not text.split() else total / len(text.split()),
        bits_per_character=None if total is None else total / len(text),
        unknown=sum(word.unknown for word in words),
    )
