"""Texts of any length as one row of numbers each: the sum of the features of their ids, and their maximum.

The sum is divided by the number of words (a mean), or by its root, as in the language model's bag.

The ids of all texts of a batch stand one after another, those of text i at offsets[i] .. offsets[i+1]-1.
"""

import numpy as np

from fflm.kernels._jit import kernel

ONE = np.float32(1.0)


@kernel("float32(int64, boolean)")
def text_scale(words, root):
    """Compute 1 / words, or 1 / sqrt(words); 1 for an empty text."""
    count = np.float32(max(1, words))
    return np.float32(ONE / np.sqrt(count)) if root else np.float32(ONE / count)


@kernel("void(float32[:, ::1], int32[:, ::1], float32[:, ::1], int32[::1], int64[::1], boolean)")
def gather_texts(x, highest, embeddings, ids, offsets, root):
    """Write into x (B, m [+ m]) the scaled sums of the rows of embeddings (V, m) *read*, and maxima beside them.

    highest (B, m) *written*: the place in ids (N,) *read* of each maximum, -1 in an empty text, all of whose numbers
    are 0; if it is (B, 0), there are no maxima. offsets (B+1,) *read*.
    """
    m = embeddings.shape[1]
    for i in range(offsets.size - 1):
        begin, end = offsets[i], offsets[i + 1]
        row = x[i, :]
        for f in range(m):
            row[f] = 0.0
        for place in range(begin, end):
            word = embeddings[np.int64(ids[place]), :]
            for f in range(m):
                row[f] += word[f]
        scale = text_scale(end - begin, root)
        for f in range(m):
            row[f] *= scale
        for f in range(highest.shape[1]):
            row[m + f] = 0.0
            highest[i, f] = -1
            for place in range(begin, end):
                value = embeddings[np.int64(ids[place]), f]
                if highest[i, f] < 0 or value > row[m + f]:
                    row[m + f] = value
                    highest[i, f] = place


@kernel("void(float32[:, ::1], int64, float32[:, ::1], int32[:, ::1], int32[::1], int64[::1], boolean)")
def scatter_texts(grad, first, grad_x, highest, slots, offsets, root):
    """Write into grad (W, m) the gradients of words first .. first+W-1, occurrences added in order.

    grad_x (B, m [+ m]), slots (N,), highest and offsets *read*, as `find_words` and `gather_texts` left them; each word
    belongs to one worker, so no two write the same row.
    """
    m = grad.shape[1]
    grad[:, :] = 0.0
    for i in range(offsets.size - 1):
        begin, end = offsets[i], offsets[i + 1]
        scale = text_scale(end - begin, root)
        for place in range(begin, end):
            s = np.int64(slots[place]) - first
            if not 0 <= s < grad.shape[0]:
                continue
            for f in range(m):
                grad[s, f] += scale * grad_x[i, f]
        for f in range(highest.shape[1]):
            if highest[i, f] >= 0:
                s = np.int64(slots[highest[i, f]]) - first
                if 0 <= s < grad.shape[0]:
                    grad[s, f] += grad_x[i, m + f]
