"""Lookups in a table of n-grams (see `lm/ngram/table.py`), a tree in which each node is an n-gram.

Node w is the word w alone. The nodes that add a word to node c are children[c] .. children[c + 1] - 1, sorted by
`words`, their last words; links[node] is the node of its longest suffix, -1 for none. Nodes from children.size - 1 on
are of the highest order: they have no children. A state is the node of the longest context in the table, -1
for the empty one. Contexts begin where those of `kernels/windows.py` do, at a unit or at one of the breaks (S,), and
there with ``<s>``.
"""

import math

from fflm.kernels._jit import kernel
from fflm.kernels.windows import UNIT_BEGIN, UNIT_END, breaks_until, text_begin


@kernel("int64(int32[::1], int64[::1], int64, int64)")
def child(words, children, node, word):
    """Find the node that adds `word` to `node`, or -1."""
    low, high = children[node], children[node + 1]
    while low < high:
        middle = (low + high) >> 1
        if words[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low if low < children[node + 1] and words[low] == word else -1


@kernel("int64(int32[::1], int64[::1], int32[::1], int64, int64)")
def advance(words, children, links, state, word):
    """Find the state after reading `word` in `state`."""
    if word == UNIT_BEGIN or word == UNIT_END:
        return UNIT_BEGIN
    node = -1
    while state >= 0 and node < 0:
        node = child(words, children, state, word)
        state = links[state]
    if node < 0:
        node = word
    return node if node < children.size - 1 else links[node]


@kernel("int64(int32[::1], int64[::1], int32[::1], int32[::1], int64[::1], int64, int64)")
def state_before(words, children, links, stream, breaks, position, size):
    """Find the state before stream[position] that the last `size` words of its unit make; <s> is one of them."""
    if size == 0:
        return -1
    begin = text_begin(breaks, position)
    state = -1 if position - begin >= size else UNIT_BEGIN
    for i in range(max(begin, position - size), position):
        state = advance(words, children, links, state, stream[i])
    return state


@kernel("void(int64[::1], int32[::1], int64[::1], int32[::1], int32[:, ::1])")
def states(out, words, children, links, contexts):
    """Write into out (B,) the state that each of contexts (B, K) *read* leaves; <s> and </s> begin a unit."""
    for i in range(out.size):
        state = -1
        for k in range(contexts.shape[1]):
            state = advance(words, children, links, state, contexts[i, k])
        out[i] = state


@kernel(
    "void(float64[::1], int32[::1], int64[::1], int32[::1], float32[::1], float32[::1], int32[::1], int64[::1], int64,"
    " int64)"
)
def backoff_log_probs(out, words, children, links, log_probs, backoffs, stream, breaks, first, size):
    """Write into out (n,) natural log P of stream[first], stream[first + 1] ... given up to `size` words."""
    state = state_before(words, children, links, stream, breaks, first, size)
    passed = breaks_until(breaks, first)
    for i in range(out.size):
        if passed < breaks.size and breaks[passed] == first + i:
            passed += 1
            state = UNIT_BEGIN if size > 0 else -1
        word = stream[first + i]
        node, weight = -1, 0.0
        while state >= 0:
            node = child(words, children, state, word)
            if node >= 0:
                break
            weight += backoffs[state]
            state = links[state]
        if node < 0:
            node = word
        out[i] = weight + log_probs[node]
        if size > 0:
            state = node if node < children.size - 1 else links[node]
            if word == UNIT_END:
                state = UNIT_BEGIN


@kernel("void(float64[::1], int32[::1], int64[::1], int32[::1], float32[::1], float32[::1], int64)")
def backoff_distribution(out, words, children, links, log_probs, backoffs, state):
    """Write P(. | state) into out (V,), built up from the shortest context to the longest."""
    for word in range(out.size):
        out[word] = math.exp(log_probs[word])
    longer = -1
    while longer != state:
        node = state
        while links[node] != longer:
            node = links[node]
        longer = node
        factor = math.exp(backoffs[node])
        for word in range(out.size):
            out[word] *= factor
        for i in range(children[node], children[node + 1]):
            out[words[i]] = math.exp(log_probs[i])


@kernel("int64(int32[::1], float64[::1], int64)")
def longest_seen(links, totals, state):
    """Find the longest suffix of a state, itself included, that was followed by a word."""
    while state >= 0 and totals[state] == 0.0:
        state = links[state]
    return state


@kernel("int64(int32[::1], int64)")
def level(links, state):
    """Count the words of a state."""
    size = 0
    while state >= 0:
        size += 1
        state = links[state]
    return size


@kernel(
    "void(float64[:, ::1], int32[::1], int64[::1], int32[::1], int32[::1], float64[::1], int32[::1], int64[::1], int64)"
)
def relative_frequencies(out, words, children, links, counts, totals, stream, breaks, first):
    """Write into out (n, size + 2) the uniform probability of stream[first] ..., then its relative frequencies.

    They are those after the last 0, 1 ... `size` words; after a context that was never seen, that after the longest
    one that was. totals (contexts + 1,) *read*: how often a word was seen after a context; the last is that of the
    empty one.
    """
    size = out.shape[1] - 2
    for i in range(out.shape[0]):
        word = stream[first + i]
        known = 0.0 if word == UNIT_BEGIN else 1.0
        out[i, 0] = known / (children[0] - 1)
        out[i, 1] = known * counts[word] / totals[totals.size - 1]
        state = longest_seen(links, totals, state_before(words, children, links, stream, breaks, first + i, size))
        length = level(links, state)
        for k in range(length, 0, -1):
            node = child(words, children, state, word)
            out[i, k + 1] = counts[node] / totals[state] if node >= 0 else 0.0
            state = links[state]
        for k in range(length, size):
            out[i, k + 2] = out[i, length + 1]


@kernel("void(int64[::1], int32[::1], int64[::1], int32[::1], int32[::1], int64[::1], int64, int64)")
def longest_ngrams(out, words, children, links, stream, breaks, first, size):
    """Write into out (n,) the node of the longest n-gram of up to size + 1 words that ends with stream[first], ..."""
    for i in range(out.size):
        word = stream[first + i]
        state = state_before(words, children, links, stream, breaks, first + i, size)
        node = -1
        while state >= 0 and node < 0:
            node = child(words, children, state, word)
            state = links[state]
        out[i] = node if node >= 0 else word


@kernel("void(float64[::1], float64[::1], int32[::1], int64[::1], int32[::1], int32[::1], float64[::1], int64)")
def interpolated_distribution(out, weights, words, children, links, counts, totals, state):
    """Write into out (V,) the sum of weights (size + 2,) *read* times the `relative_frequencies` of every word."""
    state = longest_seen(links, totals, state)
    k = level(links, state) + 1
    weight = 0.0
    for longer in range(k, weights.size):
        weight += weights[longer]
    for word in range(out.size):
        out[word] = 0.0
    while state >= 0:
        for node in range(children[state], children[state + 1]):
            out[words[node]] += weight * counts[node] / totals[state]
        state = links[state]
        k -= 1
        weight = weights[k]
    for word in range(out.size):
        if word != UNIT_BEGIN:
            out[word] += weight * counts[word] / totals[totals.size - 1] + weights[0] / (out.size - 1)
