"""Rows of the embedding matrix: gathered for a batch, and their gradients added up word by word.

A batch is B contexts of P places. The last K places of a context stand side by side in x; the first N = P - K are its
bags. Bag r of decay a[r] is the sum z of C(w) a[r]^n over its words w, n places before the last one, as far as
powers[r], (N,), is above 0; <s> is left out. The sum is divided by the root of the sum of the squares of these factors,
so that it is about as large as one word's features: x is (B, K*m + R*m). Without bags, powers is (0, 0).

Where a context is that of the row before, moved on by one word, its bags follow from those of that row:
z' = a z + C(the new word) - a^(n + 1) C(the word that falls out). Every `RUN` rows the sum is taken anew, so that the
division of the rows among workers, at multiples of RUN, changes no bit.

For the gradients, the places of a batch are numbered so that contexts which follow each other share the numbers of the
words that they share: an occurrence is one such number. The gradient of each occurrence is computed first, then those
of a word's occurrences are added up in their order.
"""

import math

import numpy as np

from fflm.kernels._jit import kernel
from fflm.kernels.windows import UNIT_BEGIN

ZERO = np.float32(0.0)
RUN = 32  # rows in a row whose bags are computed from each other


@kernel("void(boolean[::1], int32[:, ::1], int64)")
def find_followers(follows, contexts, first):
    """Write into follows (B,) whether each of contexts (B, P) *read* is the one before, moved on by one word.

    `first` is the number of the first row in the whole batch; rows at a multiple of RUN are never said to follow.
    """
    places = contexts.shape[1]
    for i in range(follows.size):
        same = i > 0 and (first + i) % RUN != 0
        if same:
            for k in range(places - 1):
                if contexts[i, k] != contexts[i - 1, k + 1]:
                    same = False
                    break
        follows[i] = same


@kernel("float32(int32[:, ::1], int64, float32[::1])")
def bag_scale(contexts, row, powers):
    """Compute 1 / sqrt(sum of powers^2) over the words in the bag of a context; 0 for an empty one."""
    total = ZERO
    for k in range(powers.size):
        if contexts[row, k] != UNIT_BEGIN:
            total += powers[k] * powers[k]
    return np.float32(1.0 / math.sqrt(total)) if total > ZERO else ZERO


@kernel("int64(float32[::1])")
def bag_length(powers):
    """Count the places of a bag whose words have a factor above 0."""
    length = 0
    for k in range(powers.size):
        length += powers[k] > ZERO
    return length


@kernel("void(float32[::1], float32, float32[:, ::1], int32)")
def add_word(z, decay, embeddings, word):
    """Multiply the sum z (m,) *updated* by the decay, and add the features of a word, if it is not <s>."""
    for f in range(z.size):
        z[f] *= decay
    if word != UNIT_BEGIN:
        for f in range(z.size):
            z[f] += embeddings[np.int64(word), f]


@kernel("void(float32[:, ::1], float32[:, ::1], int32[:, ::1], boolean[::1], float32[::1], float32[:, ::1])")
def gather_rows(x, embeddings, contexts, follows, decays, powers):
    """Write into x (B, K*m + R*m) the rows of embeddings (V, m) *read* for contexts (B, P), and their bags.

    follows (B,), decays (R,) and powers (R, N) *read*.
    """
    rows, places = contexts.shape
    bags, bag = powers.shape
    m = embeddings.shape[1]
    last = (places - bag) * m
    sums = np.zeros((bags, m), np.float32)
    for i in range(rows):
        for k in range(bag, places):
            word = np.int64(contexts[i, k])
            for f in range(m):
                x[i, (k - bag) * m + f] = embeddings[word, f]
        for r in range(bags):
            z, length = sums[r], bag_length(powers[r])
            if follows[i]:
                add_word(z, decays[r], embeddings, contexts[i, bag - 1])
                gone = contexts[i - 1, bag - length]
                if gone != UNIT_BEGIN:
                    factor = decays[r] * powers[r, bag - length]
                    for f in range(m):
                        z[f] -= factor * embeddings[np.int64(gone), f]
            else:
                z[:] = ZERO
                for k in range(bag - length, bag):
                    add_word(z, decays[r], embeddings, contexts[i, k])
            scale = bag_scale(contexts, i, powers[r])
            for f in range(m):
                x[i, last + r * m + f] = scale * z[f]


@kernel("int64(int32[::1], int64[::1], int32[:, ::1], boolean[::1], int64)")
def list_occurrences(occurrences, bases, contexts, follows, bag):
    """Number the occurrences of words of contexts (B, P) *read*; returns how many there are.

    bases (B,) *written*: the number of the occurrence at the first place of each context; the others follow.
    occurrences *written*: the word of each, -1 for <s> in a bag, where it is no word.
    """
    rows, places = contexts.shape
    count = 0
    for i in range(rows):
        if follows[i]:
            bases[i] = bases[i - 1] + 1
            occurrences[count] = contexts[i, places - 1]
            count += 1
        else:
            bases[i] = count
            for k in range(places):
                word = contexts[i, k]
                occurrences[count] = -1 if k < bag and word == UNIT_BEGIN else word
                count += 1
    return count


@kernel("int64(int64[::1], int32[::1], int32[::1], int32[::1], boolean[::1])")
def find_words(words, slots, slot_of, occurrences, frozen):
    """Number the distinct words of occurrences (N,) *read* by first occurrence; returns how many there are.

    words *written*: the word of each number; slots (N,) *written*: the number of each occurrence, -1 for those that are
    -1 and for words that are not learned, frozen (V,) *read*, or (0,) if all are; slot_of (V,) holds -1 everywhere,
    before and after.
    """
    found = 0
    for i in range(occurrences.size):
        word = np.int64(occurrences[i])
        if word < 0 or (frozen.size > 0 and frozen[word]):
            slots[i] = -1
            continue
        if slot_of[word] < 0:
            slot_of[word] = found
            words[found] = word
            found += 1
        slots[i] = slot_of[word]
    for s in range(found):
        slot_of[words[s]] = -1
    return found


@kernel("void(int64[::1], int32[::1], int64)")
def spread_words(words, slots, count):
    """Renumber the `count` words that `find_words` has found, so that frequent words stand among the others evenly.

    Words that occur first are the most frequent; workers take neighbouring words, and would have unequal work. words
    and slots are *updated*.
    """
    if count < 3:
        return
    stride = np.int64(count * 0.6180339887498949)
    while True:  # a stride without a common divisor reaches every number
        a, b = stride, count
        while b > 0:
            a, b = b, a % b
        if a == 1:
            break
        stride += 1
    old = words[:count].copy()
    for s in range(count):
        words[s * stride % count] = old[s]
    for i in range(slots.size):
        if slots[i] >= 0:
            slots[i] = np.int64(slots[i]) * stride % count


@kernel(
    "void(float32[:, ::1], float32[:, ::1], int32[:, ::1], boolean[::1], int64[::1], float32[::1], float32[:, ::1], "
    "int64, int64)",
)
def occurrence_gradients(grads, grad_x, contexts, follows, bases, decays, powers, first, last):
    """Write into grads (occurrences, m) the gradient of each occurrence in rows first .. last-1, whole runs.

    grad_x (B, K*m + R*m), contexts (B, P), follows (B,), bases (B,), decays (R,) and powers (R, N) *read*. The bags'
    gradients run back through z' = a z + C(w): the gradient of an occurrence is that of z at its first place in the
    bag, and a times that of the occurrence after it.
    """
    m, places = grads.shape[1], contexts.shape[1]
    bags, bag = powers.shape
    begin = first
    z = np.zeros(m, np.float32)
    while begin < last:
        end = begin + 1
        while end < last and follows[end]:
            end += 1
        base, count = bases[begin], places + end - begin - 1
        for o in range(base, base + count):
            for f in range(m):
                grads[o, f] = ZERO
        for i in range(begin, end):
            for k in range(bag, places):
                o = bases[i] + k
                for f in range(m):
                    grads[o, f] += grad_x[i, (k - bag) * m + f]
        for r in range(bags):
            length, column = bag_length(powers[r]), (places - bag + r) * m
            beyond = decays[r] * powers[r, bag - length]
            z[:] = ZERO
            for step in range(end - begin + bag - 1):  # from the last word that is in a bag to the first
                o = base + bag - 1 + (end - 1 - begin) - step
                new, gone = end - 1 - step, end - 1 - step + length  # the rows in which it is last, and just too far
                for f in range(m):
                    z[f] *= decays[r]
                if new >= begin:
                    scale = bag_scale(contexts, new, powers[r])
                    for f in range(m):
                        z[f] += scale * grad_x[new, column + f]
                if begin <= gone < end:
                    scale = beyond * bag_scale(contexts, gone, powers[r])
                    for f in range(m):
                        z[f] -= scale * grad_x[gone, column + f]
                place = o - base
                row = begin if place < bag else begin + place - (bag - 1)
                if contexts[row, place - (row - begin)] != UNIT_BEGIN:
                    for f in range(m):
                        grads[o, f] += z[f]
        begin = end


@kernel("void(float32[:, ::1], int64, float32[:, ::1], int32[::1])")
def add_occurrences(grad, first, grads, slots):
    """Write into grad (W, m) the gradients of words first .. first+W-1: those of their occurrences, added in order.

    grads (occurrences, m) and slots (occurrences,) *read*; each word belongs to one worker, so no two write one row.
    """
    m = grad.shape[1]
    grad[:, :] = ZERO
    for o in range(slots.size):
        s = np.int64(slots[o]) - first
        if 0 <= s < grad.shape[0]:
            for f in range(m):
                grad[s, f] += grads[o, f]


@kernel("void(float32[:, ::1], float32[:, ::1], int64[::1])")
def read_rows(out, table, words):
    """Write into out (W, m) the rows words (W,) *read* of table (V, m) *read*."""
    for s in range(words.size):
        word = words[s]  # read once: for all that the compiler knows, writing to out may change it
        for f in range(table.shape[1]):
            out[s, f] = table[word, f]


@kernel("void(float32[:, ::1], float32[:, ::1], int64[::1])")
def write_rows(table, values, words):
    """Write values (W, m) *read* into the rows words (W,) *read* of table (V, m)."""
    for s in range(words.size):
        word = words[s]
        for f in range(table.shape[1]):
            table[word, f] = values[s, f]
