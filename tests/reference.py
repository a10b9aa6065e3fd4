"""Slow, obvious float64 versions of what fflm computes quickly: plain loops and NumPy. Imports nothing of fflm."""

import numpy as np

UNIT_BEGIN, UNIT_END = 1, 2
BITS32 = 0xFFFFFFFF


def ulps(values, exact):
    """Distance of float32 `values` from float64 `exact`, in units in the last place of the exact value."""
    exact = np.asarray(exact, np.float64)
    unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    return np.abs(np.asarray(values, np.float64) - exact) / unit


# Windows and shuffling


def begin_of_text(breaks, position):
    """The last break at or before a position, or the beginning of the stream."""
    return max([0, *(int(place) for place in breaks if place <= position)])


def gather_windows(stream, positions, size, breaks=()):
    """contexts (B, K), oldest word first, and targets (B,)."""
    contexts, targets = [], []
    for position in positions:
        before = list(stream[begin_of_text(breaks, position) : position])
        if UNIT_END in before:
            before = before[len(before) - before[::-1].index(UNIT_END) :]
        contexts.append(([UNIT_BEGIN] * size + before)[-size:])
        targets.append(stream[position])
    return np.array(contexts).reshape(len(targets), size), np.array(targets)


def scramble(x):
    """The hash of one 32-bit number, in Python's unbounded integers cut to 32 bits."""
    x ^= x >> 16
    x = (x * 0x7FEB352D) & BITS32
    x ^= x >> 15
    x = (x * 0x846CA68B) & BITS32
    return x ^ (x >> 16)


def mix(half, key):
    return scramble((half * 0x9E3779B9 + key) & BITS32)


def shuffled(size, keys):
    """The whole permutation of 0 .. size-1."""
    bits = 1
    while 4**bits < size:
        bits += 1
    mask = 2**bits - 1

    def once(number):
        left, right = number >> bits, number & mask
        for key in keys:
            left, right = right, left ^ (mix(right, int(key)) & mask)
        return (left << bits) | right

    out = []
    for number in range(size):
        number = once(number)
        while number >= size:
            number = once(number)
        out.append(number)
    return np.array(out)


# Embeddings and dropout


def bag_factors(context, bag, decay):
    """Factor of the word at each of the first `bag` places: decay^(places before the last one), over the root of the
    sum of their squares; 0 for <s>, and where the power is under 0.001."""
    powers = np.float64(decay) ** np.arange(bag - 1, -1, -1)
    powers[(powers < 0.001) | (np.asarray(context[:bag]) == 1)] = 0.0
    return powers / np.sqrt(max((powers**2).sum(), 1e-30))


def gather_rows(table, contexts, bag=0, decays=(1.0,)):
    """Side by side the rows of each context, but those of the first `bag` places added up, once for each decay."""
    rows = []
    for context in contexts:
        row = [table[word] for word in context[bag:]]
        if bag:
            row += [bag_factors(context, bag, decay) @ table[context[:bag]] for decay in decays]
        rows.append(np.concatenate(row))
    return np.stack(rows)


def scatter_rows(shape, grad_x, contexts, bag=0, decays=(1.0,)):
    """Gradient of the table (V, m) from grad_x (B, K*m), or (B, K*m + R*m) with R bags."""
    grad, m = np.zeros(shape), shape[1]
    for row, context in zip(np.asarray(grad_x, np.float64), contexts, strict=True):
        ordered = context[bag:]
        for k, word in enumerate(ordered):
            grad[word] += row[k * m : (k + 1) * m]
        for r, decay in enumerate(decays if bag else ()):
            part = row[(len(ordered) + r) * m :][:m]
            for word, factor in zip(context[:bag], bag_factors(context, bag, decay), strict=True):
                grad[word] += factor * part
    return grad


def bag_of(parameters, contexts):
    """Places of the bag, from the width of the first layer; no test has a bag of one word, which looks like none."""
    weights = parameters["hidden.0.weights" if depth(parameters) else "output.weights"]
    parts, places = weights.shape[1] // parameters["embeddings"].shape[1], contexts.shape[1]
    return 0 if parts == places else places - parts + 1


def dropout_mask(rows, columns, first, key, rate):
    """(rows, columns): 0 where dropped, 1 / (1 - rate) where kept."""
    limit = int(rate * 2**32)
    mask = np.full((rows, columns), 1.0 / (1.0 - rate))
    for i in range(rows):
        row_key = scramble((key + scramble(first + i)) & BITS32)
        for j in range(columns):
            if scramble((row_key + j * 0x9E3779B9) & BITS32) < limit:
                mask[i, j] = 0.0
    return mask


# Functions: f and f' at z; s is the slope below 0, of those that have one


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


ACTIVATIONS = {
    "identity": (lambda z, s: z, lambda z, s: np.ones_like(z)),
    "sigmoid": (lambda z, s: sigmoid(z), lambda z, s: sigmoid(z) * (1.0 - sigmoid(z))),
    "tanh": (lambda z, s: np.tanh(z), lambda z, s: 1.0 - np.tanh(z) ** 2),
    "relu": (lambda z, s: np.maximum(z, 0.0), lambda z, s: (z >= 0.0) * 1.0),
    "leaky-relu": (lambda z, s: np.where(z < 0.0, 0.01 * z, z), lambda z, s: np.where(z < 0.0, 0.01, 1.0)),
    "prelu": (lambda z, s: np.where(z < 0.0, s * z, z), lambda z, s: np.where(z < 0.0, s, 1.0)),
    "swish": (lambda z, s: z * sigmoid(z), lambda z, s: sigmoid(z) + z * sigmoid(z) * (1.0 - sigmoid(z))),
}


def log_softmax(logits):
    """Over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax(logits):
    return np.exp(log_softmax(logits))


# The whole network: x = C[contexts]; y = b + W x + U f(d + H x); P = softmax(y)


def widened(parameters):
    return {name: np.asarray(value, np.float64) for name, value in parameters.items()}


def depth(parameters):
    return sum(name.startswith("hidden.") and name.endswith(".weights") for name in parameters)


def forward(parameters, contexts, activation, direct, masks=None):
    """Logits (B, V) and what the backward pass needs: x, each hidden layer's inputs and z, the features.

    masks: of the embeddings and of each hidden layer.
    """
    p = widened(parameters)
    layers = depth(p)
    masks = masks or [1.0] * (1 + layers)
    f, _ = ACTIVATIONS[activation]
    x = gather_rows(p["embeddings"], contexts, bag_of(p, contexts)) * masks[0]
    inputs, sums, below = [], [], x
    for i in range(layers):
        inputs.append(below)
        sums.append(below @ p[f"hidden.{i}.weights"].T + p[f"hidden.{i}.bias"])
        below = f(sums[-1], p.get(f"hidden.{i}.slope")) * masks[i + 1]
    features = np.concatenate([below, x], axis=1) if direct and layers else below
    return features @ p["output.weights"].T + p["output.bias"], (x, inputs, sums, features)


def log_probs(parameters, contexts, targets, activation, direct, masks=None):
    logits, _ = forward(parameters, contexts, activation, direct, masks)
    return log_softmax(logits)[np.arange(len(targets)), targets]


def loss(parameters, contexts, targets, activation, direct, masks=None):
    """Mean of -log P(target), in nats."""
    return -log_probs(parameters, contexts, targets, activation, direct, masks).mean()


def gradients(parameters, contexts, targets, activation, direct, masks=None):
    """Gradients of `loss` by parameter name, by hand."""
    p = widened(parameters)
    layers, count = depth(p), len(targets)
    masks = masks or [1.0] * (1 + layers)
    _, derivative = ACTIVATIONS[activation]
    logits, (x, inputs, sums, features) = forward(p, contexts, activation, direct, masks)
    delta = softmax(logits)
    delta[np.arange(count), targets] -= 1.0
    delta /= count
    grads = {"output.weights": delta.T @ features, "output.bias": delta.sum(axis=0)}
    grad_features = delta @ p["output.weights"]
    units = sums[-1].shape[1] if layers else x.shape[1]
    below = grad_features[:, :units]
    grad_x = grad_features[:, units:] if direct and layers else np.zeros_like(x)
    for i in reversed(range(layers)):
        slope, below = p.get(f"hidden.{i}.slope"), below * masks[i + 1]
        if slope is not None:
            grads[f"hidden.{i}.slope"] = (below * np.minimum(sums[i], 0.0)).sum(axis=0)
        delta = below * derivative(sums[i], slope)
        grads[f"hidden.{i}.weights"] = delta.T @ inputs[i]
        grads[f"hidden.{i}.bias"] = delta.sum(axis=0)
        below = delta @ p[f"hidden.{i}.weights"]
    grad_x = (grad_x + below) * masks[0]
    grads["embeddings"] = scatter_rows(p["embeddings"].shape, grad_x, contexts, bag_of(p, contexts))
    return grads


def norm(grads):
    return float(np.sqrt(sum((np.asarray(g, np.float64) ** 2).sum() for g in grads.values())))


# Update rules: each takes a weight array, its gradient, a dict of state, the step number from 1, rate and decay


def sgd(w, g, state, step, rate, decay=0.0):
    return w - rate * decay * w - rate * g


def momentum(w, g, state, step, rate, decay=0.0, mu=0.9):
    state["velocity"] = mu * state.get("velocity", 0.0) + g
    return w - rate * decay * w - rate * state["velocity"]


def adagrad(w, g, state, step, rate, decay=0.0, tiny=1e-10):
    state["total"] = state.get("total", 0.0) + g * g
    return w - rate * decay * w - rate * g / (np.sqrt(state["total"]) + tiny)


def adam(w, g, state, step, rate, decay=0.0, beta1=0.9, beta2=0.999, tiny=1e-8):
    state["m"] = beta1 * state.get("m", 0.0) + (1.0 - beta1) * g
    state["v"] = beta2 * state.get("v", 0.0) + (1.0 - beta2) * g * g
    m, v = state["m"] / (1.0 - beta1**step), state["v"] / (1.0 - beta2**step)
    return w - rate * decay * w - rate * m / (np.sqrt(v) + tiny)


def rmsprop(w, g, state, step, rate, decay=0.0, rho=0.99, tiny=1e-8):
    state["mean"] = rho * state.get("mean", 0.0) + (1.0 - rho) * g * g
    return w - rate * decay * w - rate * g / (np.sqrt(state["mean"]) + tiny)


def adadelta(w, g, state, step, rate, decay=0.0, rho=0.9, tiny=1e-6):
    state["g"] = rho * state.get("g", 0.0) + (1.0 - rho) * g * g
    move = np.sqrt(state.get("move", 0.0) + tiny) / np.sqrt(state["g"] + tiny) * g
    state["move"] = rho * state.get("move", 0.0) + (1.0 - rho) * move * move
    return w - rate * decay * w - rate * move


RULES = {
    "sgd": sgd,
    "momentum": momentum,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adadelta": adadelta,
    "adam": adam,
    "adamw": adam,
}


# n-grams: dictionaries of tuples. Each unit begins with <s>, which is never predicted.


def units(ids, breaks=()):
    """The units of a text, each a list that begins with <s>."""
    out, unit = [], [UNIT_BEGIN]
    for place, word in enumerate(map(int, ids)):
        if place in breaks and len(unit) > 1:
            out.append(unit)
            unit = [UNIT_BEGIN]
        unit.append(word)
        if word == UNIT_END:
            out.append(unit)
            unit = [UNIT_BEGIN]
    return [*out, unit] if len(unit) > 1 else out


def context_before(ids, position, size, breaks=()):
    """The last `size` words before a position, within its unit; <s> is one of them."""
    before = [UNIT_BEGIN]
    for word in map(int, ids[begin_of_text(breaks, position) : position]):
        before = [UNIT_BEGIN] if word == UNIT_END else [*before, word]
    return tuple(before[len(before) - min(size, len(before)) :])


def ngram_counts(ids, order, breaks=()):
    """How often each n-gram of 1 to `order` words occurs."""
    counts = {}
    for unit in units(ids, breaks):
        for first in range(len(unit)):
            for size in range(1, min(order, len(unit) - first) + 1):
                ngram = tuple(unit[first : first + size])
                counts[ngram] = counts.get(ngram, 0) + 1
    return counts


def suffixes(ngram):
    """Those of an n-gram, from itself to the empty one."""
    return [ngram[i:] for i in range(len(ngram) + 1)]


def ngram_tree(ngrams, order, vocab_size):
    """(nodes, words, children, links): the n-grams and all single words, sorted by order, then word by word."""
    nodes = [(word,) for word in range(vocab_size)]
    for size in range(2, order + 1):
        nodes += sorted(ngram for ngram in ngrams if len(ngram) == size)
    place = {ngram: i for i, ngram in enumerate(nodes)}
    children, before, parents = [], vocab_size, [ngram[:-1] for ngram in nodes]
    for context in (ngram for ngram in nodes if len(ngram) < order):
        children.append(before)
        before += parents.count(context)
    links = [next((place[suffix] for suffix in suffixes(ngram)[1:] if suffix in place), -1) for ngram in nodes]
    words = [ngram[-1] for ngram in nodes]
    return nodes, np.array(words, np.int32), np.array([*children, before], np.int64), np.array(links, np.int32)


def backoff_log_prob(log_probs, backoffs, context, word):
    """log P of a model in back-off form: two dictionaries; what is not among `backoffs` weighs 1."""
    if (*context, word) in log_probs:
        return log_probs[(*context, word)]
    return backoffs.get(context, 0.0) + backoff_log_prob(log_probs, backoffs, context[1:], word)


FALLBACK = (0.5, 1.0, 1.5)


def discounts(adjusted):
    """D1, D2, D3 (Chen and Goodman 1998, equation 26), and whether they are what stands in for them."""
    n1, n2, n3, n4 = (sum(a == k for a in adjusted) for k in (1, 2, 3, 4))
    if min(n1, n2, n3, n4) == 0:
        return FALLBACK, True
    y = n1 / (n1 + 2 * n2)
    d1, d2, d3 = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    sound = 0 < d1 <= 1 and 0 < d2 <= 2 and 0 < d3 <= 3
    return ((d1, d2, d3), False) if sound else (FALLBACK, True)


class KneserNey:
    """Interpolated modified Kneser-Ney (Chen and Goodman 1998, section 4.1), one probability at a time.

    n-grams that occur at most prune[size - 1] times are left out as KenLM's lmplz does: they count in the discounts and
    in the denominators, and their whole count goes to the shorter context.
    """

    def __init__(self, ids, order, vocab_size, prune=()):
        self.vocab_size = vocab_size
        self.left_out = set()
        counts, before = ngram_counts(ids, order), {}
        for ngram in counts:
            before.setdefault(ngram[1:], set()).add(ngram[0])
        self.followers, self.discounts, self.fallback = {(): {}}, [], []
        for size in range(1, order + 1):
            adjusted = {}
            for ngram in (ngram for ngram in counts if len(ngram) == size):
                if size == order or ngram[0] == UNIT_BEGIN:
                    adjusted[ngram] = counts[ngram]
                else:
                    adjusted[ngram] = len(before[ngram])
            adjusted.pop((UNIT_BEGIN,), None)
            values, is_fallback = discounts(adjusted.values())
            self.discounts.append(values)
            self.fallback += [size] * is_fallback
            for ngram, count in adjusted.items():
                self.followers.setdefault(ngram[:-1], {})[ngram[-1]] = count
        for ngram, count in counts.items():
            if prune and count <= prune[min(len(ngram), len(prune)) - 1]:
                self.left_out.add(ngram)

    def discount(self, size, count):
        return self.discounts[size - 1][min(count, 3) - 1] if count else 0.0

    def backoff(self, context):
        """b(context)."""
        followers = self.followers.get(context)
        if not followers:
            return 1.0
        if context in self.left_out:
            return 1.0
        passed_on = [
            a if (*context, word) in self.left_out else self.discount(len(context) + 1, a)
            for word, a in followers.items()
        ]
        return sum(passed_on) / sum(followers.values())

    def prob(self, context, word):
        """P(word | context), the context as `context_before` gives it."""
        below = float(word != UNIT_BEGIN) / (self.vocab_size - 1)
        if context:
            below = self.prob(context[1:], word)
        followers = self.followers.get(context, {})
        count = 0 if (*context, word) in self.left_out else followers.get(word, 0)
        own = (count - self.discount(len(context) + 1, count)) / sum(followers.values()) if followers else 0.0
        return own + self.backoff(context) * below


def relative_frequencies(counts, order, vocab_size, context, word):
    """The uniform probability, and the relative frequency after the last 0, 1 ... order - 1 words of the context."""
    out = [float(word != UNIT_BEGIN) / (vocab_size - 1)]
    for size in range(order):
        # A context that was never followed by a word stands back for the longest of its suffixes that was.
        for known in suffixes(context[len(context) - min(size, len(context)) :]):
            followers = {g[-1]: n for g, n in counts.items() if g[:-1] == known and g != (UNIT_BEGIN,)}
            if followers:
                break
        out.append(followers.get(word, 0) / sum(followers.values()))
    return out


def context_count(counts, context, size):
    """How often the last `size` words of a context occurred; where a unit begins there may be fewer."""
    return counts.get(context[len(context) - min(size, len(context)) :], 0)


def cache_probs(before, size, half_life, vocab_size):
    """P of every word after the words `before`: those of the last `size`, the weights halved every `half_life`."""
    if not len(before):
        uniform = np.full(vocab_size, 1.0 / (vocab_size - 1))
        uniform[UNIT_BEGIN] = 0.0
        return uniform
    weights = np.zeros(vocab_size)
    for back, word in enumerate(reversed(before[max(0, len(before) - size) :])):
        weights[word] += 1.0 if half_life is None else 0.5 ** (back / half_life)
    return weights / weights.sum()


def neural_cache_probs(features, before, size, theta, vocab_size):
    """P of every word after the words `before`: each of the last `size` weighs e^(theta cosine of features)."""
    if not len(before):
        return cache_probs(before, size, None, vocab_size)
    sums, query = np.zeros(vocab_size), features[len(before)]
    for place in range(max(0, len(before) - size), len(before)):
        cosine = features[place] @ query / np.linalg.norm(features[place]) / np.linalg.norm(query)
        sums[before[place]] += np.exp(theta * cosine)
    return sums / sums.sum()
