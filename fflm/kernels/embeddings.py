"""Rows of the embedding matrix: gathered for a batch, and their gradients added up word by word.

A batch's word occurrences are B contexts x K places, taken in this order; x (B, K*m) holds their features.
"""

import numpy as np

from fflm.kernels._jit import kernel


@kernel("void(float32[:, ::1], float32[:, ::1], int32[:, ::1])")
def gather_rows(x, embeddings, contexts):
    """x (B, K*m) *written*: rows of embeddings (V, m) *read* for contexts (B, K) *read*, side by side."""
    rows, places = contexts.shape
    m = embeddings.shape[1]
    for i in range(rows):
        for k in range(places):
            word = np.int64(contexts[i, k])
            for f in range(m):
                x[i, k * m + f] = embeddings[word, f]


@kernel("int64(int64[::1], int32[::1], int32[::1], int32[:, ::1])")
def find_words(words, slots, slot_of, contexts):
    """Number the distinct words of contexts (B, K) *read* by first occurrence; returns how many there are.

    words *written*: the word of each number; slots (B*K,) *written*: the number of each occurrence;
    slot_of (V,) holds -1 everywhere, before and after.
    """
    rows, places = contexts.shape
    found = 0
    for i in range(rows):
        for k in range(places):
            word = np.int64(contexts[i, k])
            if slot_of[word] < 0:
                slot_of[word] = found
                words[found] = word
                found += 1
            slots[i * places + k] = slot_of[word]
    for s in range(found):
        slot_of[words[s]] = -1
    return found


@kernel("void(float32[:, ::1], int64, float32[:, ::1], int32[::1])")
def scatter_rows(grad, first, grad_x, slots):
    """grad (W, m) *written*: the gradients of words first .. first+W-1, occurrences added in order.

    grad_x (B, K*m) and slots (B*K,) *read*; each word belongs to one worker, so no two write the same row.
    """
    rows, m = grad_x.shape[0], grad.shape[1]
    places = slots.size // rows
    grad[:, :] = 0.0
    for i in range(rows):
        for k in range(places):
            s = np.int64(slots[i * places + k]) - first
            if 0 <= s < grad.shape[0]:
                for f in range(m):
                    grad[s, f] += grad_x[i, k * m + f]


@kernel("void(float32[:, ::1], float32[:, ::1], int64[::1])")
def read_rows(out, table, words):
    """out (W, m) *written*: rows words (W,) *read* of table (V, m) *read*."""
    for s in range(words.size):
        for f in range(table.shape[1]):
            out[s, f] = table[words[s], f]


@kernel("void(float32[:, ::1], float32[:, ::1], int64[::1])")
def write_rows(table, values, words):
    """Rows words (W,) *read* of table (V, m) *written* from values (W, m) *read*."""
    for s in range(words.size):
        for f in range(table.shape[1]):
            table[words[s], f] = values[s, f]
