"""A stratified sample of the vocabulary, drawn by a hash; see `fflm.nn.outputs.sampled`."""

import numpy as np

from fflm.kernels._jit import kernel
from fflm.kernels.hashing import scramble


@kernel(
    "int64(int64[::1], float32[::1], int32[::1], int32[::1], int64[::1], int64[::1], float64[::1], float32[::1], "
    "int32[::1], uint32)",
)
def draw_words(words, log_inclusion, local_targets, places, always, drawn, ends, logs, targets, key):
    """Choose the words of one step: those of `always`, one drawn in each stratum, and the targets; return their number.

    words *written*: the different words, each once; log_inclusion *written*: the logarithm of the probability of each
    to be chosen, given the targets: 0 for targets and for those of `always`. local_targets (B,) *written*: the place
    of each of targets (B,) *read* in `words`. places (V,) holds -1 everywhere, before and after.

    The words `drawn` (N,) *read* lie side by side on a line, word i from ends[i - 1] to ends[i], and logs (N,) *read*
    are the logarithms of their inclusion probabilities. Stratum k of the line is [k, k + 1); a hash of (key, k) chooses
    one point in each, and the word that lies there.
    """
    count = 0
    for i in range(always.size):
        words[count], log_inclusion[count] = always[i], np.float32(0.0)
        places[always[i]] = count
        count += 1
    strata = np.int64(np.round(ends[-1])) if ends.size > 0 else np.int64(0)
    i = 0
    for k in range(strata):
        point = k + (np.float64(scramble(key + scramble(np.uint32(k)))) + 0.5) / 4294967296.0
        while i + 1 < ends.size and ends[i] <= point:
            i += 1
        word = drawn[i]
        if places[word] < 0:
            words[count], log_inclusion[count] = word, logs[i]
            places[word] = count
            count += 1
    for j in range(targets.size):
        word = np.int64(targets[j])
        if places[word] < 0:
            words[count] = word
            places[word] = count
            count += 1
        log_inclusion[places[word]] = np.float32(0.0)
        local_targets[j] = places[word]
    for s in range(count):
        places[words[s]] = -1
    return count
