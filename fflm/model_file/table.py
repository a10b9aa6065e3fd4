"""The table of n-grams in a model file, checked so that no lookup can leave its arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from fflm.errors import LONGEST_EXCERPT, shown
from fflm.lm import NgramTable
from fflm.model_file.text import Arrays
from fflm.storage.tensors import check_arrays

LONGEST = 32  # n-grams


def pack_table(table: NgramTable) -> tuple[Arrays, dict[str, Any]]:
    """Pack a table into arrays and a description."""
    return {"words": table.words, "children": table.children, "links": table.links}, {"starts": list(table.starts)}


def unpack_table(arrays: Arrays, description: dict[str, Any], vocab_size: int) -> tuple[NgramTable, Arrays]:
    """Build the table; return it and the other arrays. ValueError if a lookup could leave the arrays of the table."""
    starts = description["starts"]
    if (
        not isinstance(starts, list)
        or not all(type(start) is int for start in starts)
        or starts[:2] != [0, vocab_size]
        or starts != sorted(starts)
        or len(starts) > LONGEST + 1
    ):
        raise ValueError(
            f"starts must be rising whole numbers, 0 and {vocab_size} first, got {shown(starts, LONGEST_EXCERPT)}"
        )
    contexts, nodes = starts[-2:]
    expected: dict[str, tuple[type, tuple[int, ...]]] = {
        "words": (np.int32, (nodes,)),
        "links": (np.int32, (nodes,)),
        "children": (np.int64, (contexts + 1,)),
    }
    check_arrays(arrays, expected, surplus=True)
    words, children, links = (arrays[name] for name in ("words", "children", "links"))
    firsts = np.zeros(nodes + 1, bool)  # of their parents
    firsts[np.clip(children, 0, nodes)] = True
    lower = np.repeat(starts[:-1], np.diff(starts))  # a link leads to a lower order
    sound = (
        (children[1:] >= children[:-1]).all()  # their differences may be too large for a number
        and np.array_equal(children[starts[:-2]], starts[1:-1])
        and children[-1] == nodes
        and np.array_equal(words[:vocab_size], np.arange(vocab_size))
        and (firsts[1:-1] | (words[1:] > words[:-1]))[vocab_size:].all()
        and (links[:vocab_size] == -1).all()
        and ((links >= 0) & (links < lower))[vocab_size:].all()
        and np.array_equal(words[links[vocab_size:]], words[vocab_size:])  # so that they are words
    )
    if not sound:
        raise ValueError("its n-grams are not in order")
    others = {name: value for name, value in arrays.items() if name not in expected}
    return NgramTable(words, children, links, tuple(starts)), others
