"""Rows of the embedding matrix: gathered for a batch, and their gradients added up word by word.

A batch's word occurrences are B contexts x P places, taken in this order. The first `bag` places of a context are a
bag: their features are added up and divided by the root of their number, <s> left out, so that the sum is about as
large as one word's features. The other K places stand side by side: x (B, K*m), or (B, K*m + m) with the bag last.
"""

import math

import numpy as np

from fflm.kernels._jit import kernel
from fflm.kernels.windows import UNIT_BEGIN


@kernel("float32(int32[:, ::1], int64, int64)")
def bag_scale(contexts, row, bag):
    """Compute 1 / sqrt(words in the bag of a context); 0 for an empty one."""
    words = 0
    for k in range(bag):
        words += contexts[row, k] != UNIT_BEGIN
    return np.float32(1.0 / math.sqrt(words)) if words > 0 else np.float32(0.0)


@kernel("void(float32[:, ::1], float32[:, ::1], int32[:, ::1], int64)")
def gather_rows(x, embeddings, contexts, bag):
    """Write into x (B, K*m [+ m]) the rows of embeddings (V, m) *read* for contexts (B, P) *read*."""
    rows, places = contexts.shape
    m = embeddings.shape[1]
    last = (places - bag) * m
    for i in range(rows):
        for k in range(bag, places):
            word = np.int64(contexts[i, k])
            for f in range(m):
                x[i, (k - bag) * m + f] = embeddings[word, f]
        if bag > 0:
            for f in range(m):
                x[i, last + f] = 0.0
            for k in range(bag):
                word = np.int64(contexts[i, k])
                if word != UNIT_BEGIN:
                    for f in range(m):
                        x[i, last + f] += embeddings[word, f]
            scale = bag_scale(contexts, i, bag)
            for f in range(m):
                x[i, last + f] *= scale


@kernel("int64(int64[::1], int32[::1], int32[::1], int32[:, ::1], int64, boolean[::1])")
def find_words(words, slots, slot_of, contexts, bag, frozen):
    """Number the distinct words of contexts (B, P) *read* by first occurrence; returns how many there are.

    words *written*: the word of each number; slots (B*P,) *written*: the number of each occurrence, -1 for <s> in a
    bag, where it is no word, and for words that are not learned, frozen (V,) *read*, or (0,) if all are; slot_of (V,)
    holds -1 everywhere, before and after.
    """
    rows, places = contexts.shape
    found = 0
    for i in range(rows):
        for k in range(places):
            word = np.int64(contexts[i, k])
            if (k < bag and word == UNIT_BEGIN) or (frozen.size > 0 and frozen[word]):
                slots[i * places + k] = -1
                continue
            if slot_of[word] < 0:
                slot_of[word] = found
                words[found] = word
                found += 1
            slots[i * places + k] = slot_of[word]
    for s in range(found):
        slot_of[words[s]] = -1
    return found


@kernel("void(float32[:, ::1], int64, float32[:, ::1], int32[::1], int32[:, ::1], int64)")
def scatter_rows(grad, first, grad_x, slots, contexts, bag):
    """Write into grad (W, m) the gradients of words first .. first+W-1, occurrences added in order.

    grad_x (B, K*m [+ m]), slots (B*P,) and contexts (B, P) *read*; each word belongs to one worker, so no two write
    the same row.
    """
    m = grad.shape[1]
    rows, places = contexts.shape
    last = (places - bag) * m
    grad[:, :] = 0.0
    for i in range(rows):
        scale = bag_scale(contexts, i, bag)
        for k in range(places):
            s = np.int64(slots[i * places + k]) - first
            if not 0 <= s < grad.shape[0]:
                continue
            if k >= bag:
                for f in range(m):
                    grad[s, f] += grad_x[i, (k - bag) * m + f]
            else:
                for f in range(m):
                    grad[s, f] += scale * grad_x[i, last + f]


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
