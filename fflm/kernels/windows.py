"""Windows gathered straight from the stream of ids."""

from fflm.kernels._jit import kernel

UNIT_END = 2  # the id of </s>; it ends a unit, before which contexts do not look


UNIT_BEGIN = 1  # the id of <s>, which stands for every word before the unit


@kernel("void(int32[:, ::1], int32[::1], int32[::1], int64[::1])")
def gather_windows(contexts, targets, stream, positions):
    """contexts (B, K), oldest word first, and targets (B,) *written* from stream (N,) at positions (B,) *read*."""
    rows, size = contexts.shape
    for i in range(rows):
        position = positions[i]
        targets[i] = stream[position]
        inside = True
        for back in range(1, size + 1):
            if inside:
                inside = position - back >= 0 and stream[position - back] != UNIT_END
            contexts[i, size - back] = stream[position - back] if inside else UNIT_BEGIN
