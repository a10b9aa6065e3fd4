"""Contexts and targets gathered straight from the stream of ids.

A context begins after the last ``</s>`` before it, or at the last break: `breaks` (S,) holds the rising positions at
which text begins that does not follow what stands before it. ``<s>`` fills the places before its beginning.
"""

from fflm.kernels._jit import kernel

UNIT_BEGIN = 1  # the id of <s>, which stands for every word before the unit
UNIT_END = 2  # the id of </s>, which ends a unit


@kernel("int64(int64[::1], int64)")
def breaks_until(breaks, position):
    """Count the breaks (S,) *read* at or before `position`."""
    low, high = 0, breaks.size
    while low < high:
        middle = (low + high) >> 1
        if breaks[middle] <= position:
            low = middle + 1
        else:
            high = middle
    return low


@kernel("int64(int64[::1], int64)")
def text_begin(breaks, position):
    """Find where the text begins that `position` belongs to: the last of breaks (S,) *read* at or before it, or 0."""
    count = breaks_until(breaks, position)
    return breaks[count - 1] if count > 0 else 0


@kernel("void(int32[:, ::1], int32[::1], int32[::1], int64[::1], int64[::1])")
def gather_windows(contexts, targets, stream, breaks, positions):
    """Write contexts (B, K), oldest word first, and targets (B,) from stream (N,) at positions (B,) *read*."""
    rows, size = contexts.shape
    for i in range(rows):
        position = positions[i]
        begin = text_begin(breaks, position)
        targets[i] = stream[position]
        inside = True
        for back in range(1, size + 1):
            if inside:
                inside = position - back >= begin and stream[position - back] != UNIT_END
            contexts[i, size - back] = stream[position - back] if inside else UNIT_BEGIN
