"""Lookups in a unigram cache: the probability of the next word from the last words."""

import math

from fflm.kernels._jit import kernel
from fflm.kernels.windows import text_begin


@kernel("void(float64[::1], int32[::1], int64[::1], int32[::1], int64, int64, float64)")
def cache_probabilities(out, stream, breaks, before, first, size, decay):
    """Write into out (n,) the share of stream[first], ... among the `size` words before each.

    A word that stands d places before the last of them weighs exp(-decay * d). No word before the last of breaks (S,)
    *read* at or before a place counts, while ``</s>`` is a word like any other; the share is 0 where no word is left.
    before (N,) *read*: the last place where the same word stood, -1 for none.
    """
    for i in range(out.size):
        place = first + i
        length = min(place - text_begin(breaks, place), size)
        weight = 0.0
        back = before[place]
        while back >= place - length and back >= 0:
            weight += math.exp(-decay * (place - 1 - back))
            back = before[back]
        if decay > 0.0:
            total = math.expm1(-decay * length) / math.expm1(-decay)
        else:
            total = float(length)
        out[i] = weight / total if length > 0 else 0.0


@kernel("void(int32[::1], int32[::1], int32[::1])")
def places_before(before, last, stream):
    """Write into before (N,) the last place of the same word of stream (N,), -1 for none; last (V,) filled with -1."""
    for i in range(stream.size):
        before[i] = last[stream[i]]
        last[stream[i]] = i
