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


def gather_windows(stream, positions, size):
    """contexts (B, K), oldest word first, and targets (B,)."""
    contexts, targets = [], []
    for position in positions:
        before = list(stream[:position])
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


def gather_rows(table, contexts):
    return np.stack([np.concatenate([table[word] for word in context]) for context in contexts])


def scatter_rows(shape, grad_x, contexts):
    """Gradient of the table (V, m) from grad_x (B, K*m)."""
    grad = np.zeros(shape)
    np.add.at(grad, contexts.reshape(-1), np.asarray(grad_x, np.float64).reshape(-1, shape[1]))
    return grad


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


# Functions: f and f' as a function of the output


ACTIVATIONS = {
    "tanh": (np.tanh, lambda a: 1.0 - a * a),
    "relu": (lambda z: np.maximum(z, 0.0), lambda a: (a > 0.0) * 1.0),
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
    """Logits (B, V) and what the backward pass needs; masks: of the embeddings and of each hidden layer."""
    p = widened(parameters)
    layers = depth(p)
    masks = masks or [1.0] * (1 + layers)
    f, _ = ACTIVATIONS[activation]
    x = gather_rows(p["embeddings"], contexts) * masks[0]
    inputs, outputs, below = [], [], x
    for i in range(layers):
        inputs.append(below)
        outputs.append(f(below @ p[f"hidden.{i}.weights"].T + p[f"hidden.{i}.bias"]))
        below = outputs[-1] * masks[i + 1]
    features = np.concatenate([below, x], axis=1) if direct and layers else below
    return features @ p["output.weights"].T + p["output.bias"], (x, inputs, outputs, features)


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
    logits, (x, inputs, outputs, features) = forward(p, contexts, activation, direct, masks)
    delta = softmax(logits)
    delta[np.arange(count), targets] -= 1.0
    delta /= count
    grads = {"output.weights": delta.T @ features, "output.bias": delta.sum(axis=0)}
    grad_features = delta @ p["output.weights"]
    units = outputs[-1].shape[1] if layers else x.shape[1]
    below = grad_features[:, :units]
    grad_x = grad_features[:, units:] if direct and layers else np.zeros_like(x)
    for i in reversed(range(layers)):
        delta = below * masks[i + 1] * derivative(outputs[i])
        grads[f"hidden.{i}.weights"] = delta.T @ inputs[i]
        grads[f"hidden.{i}.bias"] = delta.sum(axis=0)
        below = delta @ p[f"hidden.{i}.weights"]
    grad_x = (grad_x + below) * masks[0]
    grads["embeddings"] = scatter_rows(p["embeddings"].shape, grad_x, contexts)
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


RULES = {"sgd": sgd, "momentum": momentum, "adagrad": adagrad, "adam": adam}
