"""The surprisal of the words of some texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fflm.api.model import Model, language_model
from fflm.config import WordsConfig, make
from fflm.config.options import takes_options
from fflm.errors import ConfigError, option_name, shown
from fflm.evaluation.surprisal_words import Sentence, word_rows


@takes_options(WordsConfig)
def surprisal(
    model: Model | str | Path | Mapping[str, Model | str | Path],
    texts: str | Sequence[str],
    items: Sequence[Any] | None = None,
    threads: int | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Compute the surprisal of every word of some texts: the rows of a table (`fflm.evaluation.surprisal_words`).

    Parameters
    ----------
    model : Model or path, or a mapping of names to these
        With several, each has columns of its own, such as ``surprisal_NAME``.
    texts : str or sequence of str
        The texts themselves, not files.
    items : sequence, optional
        What identifies each text; its number from 1 by default.
    threads : int, optional
        Worker threads of models that are loaded; every core by default.
    **options
        Options of `WordsConfig`.

    Returns
    -------
    list of dict
        ``item``, ``line``, ``position``, ``word``, ``start``, ``end``, ``surprisal``, ``unknown``, ``entropy`` and
        ``frequency`` of each word; `pandas.DataFrame` takes them as they are.

    Raises
    ------
    ConfigError
        If an option is unknown or out of its range, or there are not as many items as texts.
    ModelFileError, FflmError
        If a model can't be read, or a text has a mark ``<s>`` or ``</s>``.

    Examples
    --------
    >>> import fflm
    >>> rows = fflm.surprisal("runs/demo", "the cat sat on the zebra")
    >>> [row["word"] for row in rows if row["unknown"]]
    ['zebra']
    >>> rows[2]["surprisal"] < 0.1 < rows[5]["surprisal"]
    True
    """
    config = make(WordsConfig, options)
    named = model if isinstance(model, Mapping) else {"model": model}
    if not named:
        raise ConfigError("model must have at least one model, got an empty mapping")
    texts = [texts] if isinstance(texts, str) else list(texts)
    for text in texts:
        if not isinstance(text, str):
            raise ConfigError(f"{option_name('texts')} must be strings, got {shown(text)}")
    numbers = range(1, len(texts) + 1)
    items = numbers if items is None else list(items)
    if len(items) != len(texts):
        raise ConfigError(f"{option_name('items')} must be as many as the {len(texts):,} texts, got {len(items):,}")
    sentences = map(Sentence, numbers, items, texts)
    return list(word_rows({name: language_model(one, threads) for name, one in named.items()}, sentences, config))
