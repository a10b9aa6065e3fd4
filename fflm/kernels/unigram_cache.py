"""Lookups in a unigram cache: what the last words make of the next one."""

import math

from fflm.kernels._jit import kernel


@kernel("void(float64[::1], int32[::1], int32[::1], int64, int64, float64)")
def cache_probabilities(out, stream, before, first, size, decay):
    """out (n,) *written*: the share of stream[first], ... among the `size` words before each, a word that stands d
    places before the last of them weighing exp(-decay * d); 0 where there is no word before.

    before (N,) *read*: the last place where the same word stood, -1 for none.
    """
    for i in range(out.size):
        place = first + i
        length = min(place, size)
        found = 0.0
        back = before[place]
        while back >= place - length and back >= 0:
            found += math.exp(-decay * (place - 1 - back))
            back = before[back]
        if decay > 0.0:
            total = math.expm1(-decay * length) / math.expm1(-decay)
        else:
            total = float(length)
        out[i] = found / total if length > 0 else 0.0


@kernel("void(int32[::1], int32[::1], int32[::1])")
def places_before(before, last, stream):
    """before (N,) *written*: the last place of the same word of stream (N,), -1 for none; last (V,) filled with -1."""
    for i in range(stream.size):
        before[i] = last[stream[i]]
        last[stream[i]] = i
