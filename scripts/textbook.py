"""The lectures' worked examples E1 to E21, in their notation, each with the call of the library that produces it.

    python scripts/textbook.py            # all of them, some seconds
    python scripts/textbook.py E7 E14     # some

Students can copy every line that begins with >>>. Where a figure of the lecture is wrong, the example says so.
"""

import argparse
import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

EXAMPLES: dict[str, tuple[str, str]] = {
    "E1": (
        "One unit: z = w x + b, a = s(z)",
        """
unit = fflm.FeedForward([3, 1], "sigmoid")
unit.weights[0][:], unit.biases[0][:] = [0.2, 0.3, 0.9], 0.5
made = unit.forward([[0.5, 0.6, 0.1]])
made.z[0]
made.a[1]
folded = fflm.FeedForward([4, 1], "sigmoid", bias=False)   # the bias as a weight of an input that is 1
folded.weights[0][:] = [0.5, 0.2, 0.3, 0.9]
folded.predict([[1, 0.5, 0.6, 0.1]])
""",
    ),
    "E2": (
        "Softmax: a_i = e^z_i / sum of e^z_j",
        """
layer = fflm.FeedForward([3, 3], "softmax", "log-likelihood")
layer.weights[0][:] = np.eye(3)
layer.predict([[2, -1.99, -0.01]])
""",
    ),
    "E3": (
        "Softmax again",
        """
layer = fflm.FeedForward([3, 3], "softmax", "log-likelihood")
layer.weights[0][:] = np.eye(3)
layer.predict([[2, 1, -1]])
""",
    ),
    "E4": (
        "A layer: a = ReLU(W x + b)",
        """
layer = fflm.FeedForward([2, 3], "relu")
layer.weights[0][:] = [[-0.2, 0.4], [0.3, 0.1], [-0.5, -0.3]]
layer.biases[0][:] = [-0.3, 0.1, 0]
layer.forward([[-1, 1]]).z[0] - layer.biases[0]     # W x
layer.forward([[-1, 1]]).z[0]                       # z = W x + b
layer.predict([[-1, 1]])                            # a = ReLU(z)
folded = fflm.FeedForward([3, 3], "relu", bias=False)
folded.weights[0][:] = np.column_stack([layer.biases[0], layer.weights[0]])
folded.predict([[1, -1, 1]])                        # the bias folded into W
""",
    ),
    "E5": (
        "Activations f(z) and f'(z); the derivative of the ReLU at 0 is taken as 1, as in the lecture",
        """
z = np.array([[-2.0], [-0.5], [0.0], [0.5], [2.0]])
for name in ("identity", "sigmoid", "tanh", "relu", "leaky-relu", "prelu", "swish"):
    unit = fflm.FeedForward([1, 1], name)
    unit.weights[0][:] = 1
    a = unit.predict(z)
    slopes = unit.backward(z, a - 1).deltas[0]      # dC/da = a - y = 1, so that delta = f'(z)
    print(f"{name:10}", a.ravel().round(4), slopes.ravel().round(4))
two, one = fflm.FeedForward([2, 3, 1], "identity"), fflm.FeedForward([2, 1], "identity")
one.weights[0][:] = two.weights[1] @ two.weights[0]         # linear layers collapse: W2 (W1 x) = (W2 W1) x
two.predict([[0.3, -0.7]]), one.predict([[0.3, -0.7]])
""",
    ),
    "E6": (
        "Output and cost: delta = dC/dz",
        """
for output, cost in (("sigmoid", "quadratic"), ("identity", "quadratic"), ("sigmoid", "cross-entropy"),
                     ("softmax", "log-likelihood"), ("identity", "absolute")):
    network = fflm.FeedForward([2, 2], output, cost)
    network.weights[0][:] = [[0.5, -1.5], [2.0, 0.3]]
    a = network.predict([[0.4, -0.6]])
    print(f"{output:8} {cost:14}", a.round(4), network.backward([[0.4, -0.6]], [[0.0, 1.0]]).deltas[0].round(4))
""",
    ),
    "E7": (
        "Backpropagation, BP1 to BP4: a network 2-1-1, sigmoid, C = (y - a)^2 / 2, eta = 0.01",
        """
network = fflm.FeedForward([2, 1, 1], "sigmoid", "quadratic", bias=False)
network.weights[0][:], network.weights[1][:] = [[0.4, -0.2]], [[0.1]]
x, y = [[0.1, 0.3]], [[1.0]]
z1, z2 = network.forward(x).z
_, a1, a2 = network.forward(x).a
z1, a1
z2, a2
delta1, delta2 = network.backward(x, y).deltas
delta2, delta1                                      # BP1, BP2
dW1, dW2 = network.backward(x, y).weights
dW2, dW1                                            # BP4
history = network.fit(x, y, epochs=1, learning_rate=0.01)
W1, W2 = network.weights
W2, W1
""",
    ),
    "E8": (
        "C = (a - y)^2, eta = 0.4 (the lecture loses a minus sign in 2 (a - y) and moves the wrong way)",
        """
network = fflm.FeedForward([2, 2, 1], "sigmoid", "squared")
network.weights[0][:], network.weights[1][:], network.biases[1][:] = [[1, 0.5], [0.1, 0]], [[0.2, 0.8]], 0.75
x, y = [[0, 1]], [[1]]
_, a1, a2 = network.forward(x).a
a1, a2
2 * (a2 - y)                                        # the lecture prints +0.44
delta1, delta2 = network.backward(x, y).deltas
delta2, delta1
history = network.fit(x, y, epochs=1, learning_rate=0.4)
network.biases[1], network.weights[1]               # b2, W2
network.weights[0]                                  # W1
""",
    ),
    "E9": (
        "Two outputs, and BP2 (the lecture prints z = 0.8 for 0.08)",
        """
W2, z1, z2 = np.array([[0.6, 0.1], [0.7, 0.4]]), np.array([0.51, 0.55]), np.array([0.46, 0.08])
a1 = 1 / (1 + np.exp(-z1))
network = fflm.FeedForward([1, 2, 2], "sigmoid")
network.weights[0][:], network.biases[0][:] = 0, z1
network.weights[1][:], network.biases[1][:] = W2, z2 - W2 @ a1
a2 = network.predict([[0]])
a2
delta1, delta2 = network.backward([[0]], a2 - [[0.61 - 0.35, 0.52 + 0.5]]).deltas   # the lecture's rounded a - y
delta2, delta1
""",
    ),
    "E10": (
        "A toy classifier 2-2-1: dL/du_i = (c - y) a_i, dL/dw_ij = (c - y) u_i a_i (1 - a_i) x_j",
        """
network = fflm.FeedForward([2, 2, 1], "sigmoid", "cross-entropy", bias=False)
network.weights[0][:], network.weights[1][:] = [[0.3, -0.8], [1.1, 0.4]], [[0.7, -1.2]]
x, c = [[0.5, -0.25]], 1.0
found = network.backward(x, [[c]])
_, a, y = network.forward(x).a
-found.weights[1]                                   # L is the log likelihood: minus the cost
(c - y) * a                                         # by the formula
-found.weights[0]
(c - y) * network.weights[1].T * (a * (1 - a)).T * x
""",
    ),
    "E11": (
        "A score s = u f(W x + b): ds/db = u f'(z), ds/dW = u f'(z) x",
        """
network = fflm.FeedForward([2, 3, 1], ["tanh", "identity"])
network.weights[0][:] = [[0.3, -0.8], [1.1, 0.4], [0.2, 0.9]]
network.weights[1][:] = [[0.7, -1.2, 0.4]]
s = network.predict([[0.5, 2.0]])
found = network.backward([[0.5, 2.0]], s - 1)       # dC/ds = 1
found.biases[0]                                     # u f'(z)
found.weights[0]                                    # outer(u f'(z), x)
z = graph.value(network.forward([[0.5, 2.0]]).z[0][0])
for i in range(3):                                  # the Jacobian of an elementwise f is diag(f'(z))
    z.tanh()[i].backward()
    print(z.grad)
""",
    ),
    "E12": (
        "The gradient vanishes in a chain of four units",
        """
network = fflm.FeedForward([1, 1, 1, 1, 1], "sigmoid")
for weights, number in zip(network.weights, (0.5, 1.5, -0.7, 0.9)):
    weights[:] = number
slopes = [float(a[0, 0] * (1 - a[0, 0])) for a in network.forward([[0.8]]).a[1:]]
w, dC_da4 = [float(weights[0, 0]) for weights in network.weights], float(network.predict([[0.8]])[0, 0])
slopes[0] * w[1] * slopes[1] * w[2] * slopes[2] * w[3] * slopes[3] * dC_da4     # s'(z1) w2 s'(z2) ... dC/da4
[float(bias[0]) for bias in network.backward([[0.8]], [[0.0]]).biases]          # dC/db1 ... dC/db4
""",
    ),
    "E13": (
        "Gradient check: (f(x + h) - f(x - h)) / 2h against backpropagation: largest distance over largest gradient",
        """
x, y = [[0.1, -0.4], [1.2, 0.7], [-0.8, 0.3]], [[0.2], [0.9], [0.5]]
for name in ("identity", "sigmoid", "tanh", "relu", "leaky-relu", "prelu", "swish"):
    network = fflm.FeedForward([2, 4, 1], [name, "sigmoid"])
    print(f"{name:10}", f"{max(network.check_gradients(x, y).values()):.1e}")
""",
    ),
    "E14": (
        "A computation graph: L = c (a + 2 b)",
        """
a, b, c = graph.value(3.0, "a"), graph.value(1.0, "b"), graph.value(-2.0, "c")
d = 2 * b
e = a + d
L = c * e
L.backward()
d, e, L
[float(node.grad) for node in (a, b, c, d, e)]
""",
    ),
    "E15": (
        "f = (x + y) z",
        """
x, y, z = graph.value(-2.0), graph.value(5.0), graph.value(-4.0)
q = x + y
f = q * z
f.backward()
f, [float(node.grad) for node in (x, y, z, q)]
""",
    ),
    "E16": (
        "f = x y",
        """
x, y = graph.value(4.0), graph.value(-3.0)
f = x * y
f.backward()
f, float(x.grad), float(y.grad)
""",
    ),
    "E17": (
        "Gradients of several paths add; a network of ReLU and sigmoid as a graph: dL/dz2 = a2 - y",
        """
x = graph.value(3.0)
(x * x + 2 * x).backward()
float(x.grad)                                       # 2 x + 2
w1, w2 = graph.value([[0.5, -1.0], [1.5, 0.3]]), graph.value([[1.0, -2.0]])
z2 = (np.array([[0.4, 0.9]]) @ w1.T).relu() @ w2.T
a2 = z2.sigmoid()
loss = -a2.log().sum()                              # y = 1
loss.backward()
z2.grad, a2.value - 1
""",
    ),
    "E18": (
        "Full batch, mini-batches, single examples; optimisers (cost after 100 epochs)",
        """
x = np.random.default_rng(0).standard_normal((60, 2))
y = (x[:, 0] * x[:, 1] > 0) * 1.0
for batch_size in (None, 10, 1):
    for rate in (0.1, 0.01, 0.001, 0.0001):
        network = fflm.FeedForward([2, 8, 1], ["tanh", "sigmoid"], "cross-entropy")
        print(batch_size, rate, round(network.fit(x, y, batch_size=batch_size, learning_rate=rate)[-1], 4))
network = fflm.FeedForward([2, 8, 1], ["tanh", "sigmoid"], "cross-entropy")
round(network.fit(x, y, batch_size=1, learning_rate=0.1, decrease=0.1)[-1], 4)  # rate 0.1 / (1 + 0.1 epoch)
for name in ("sgd", "momentum", "adagrad", "rmsprop", "adadelta", "adam", "adamw"):
    network = fflm.FeedForward([2, 8, 1], ["tanh", "sigmoid"], "cross-entropy")
    rate = 0.02 if name in ("rmsprop", "adam", "adamw") else None      # else what suits the optimiser
    print(f"{name:9}", round(network.fit(x, y, batch_size=10, optimizer=name, learning_rate=rate)[-1], 4))
table = {"embeddings": np.zeros((3, 2), np.float32)}                # SparseAdam: only the rows of the batch
optimizer = Optimizer("adam", table)
optimizer.begin_step(1, 0.01)
optimizer.update_rows("embeddings", np.ones((1, 2), np.float32), np.array([1]))
table["embeddings"]
""",
    ),
    "E19": (
        "Exclusive or: two layers learn it, one cannot",
        """
X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
two = fflm.FeedForward([2, 4, 1], ["tanh", "sigmoid"], "cross-entropy")
history = two.fit(X, Y, epochs=500, optimizer="adam", learning_rate=0.05)
two.predict(X).round(3).ravel()
one = fflm.FeedForward([2, 1], "sigmoid", "cross-entropy")
history = one.fit(X, Y, epochs=500, optimizer="adam", learning_rate=0.05)
one.predict(X).round(3).ravel()
""",
    ),
    "E20": (
        "A language model: windows of words, concatenated embeddings, a softmax over the vocabulary",
        """
text = Path("text.txt")
_ = text.write_text("the cat sat on the mat . a dog sat on the rug . " * 200)
options = dict(context_size=3, bag_size=0, hidden_dims=16, dropout=0.0, learning_rate=0.02, ngram_order=0, quiet=True)
model = fflm.train(text, embedding_dim=8, **options)
model.lm.parameters["hidden.0.weights"].shape       # each of the 3 positions has its own 8 columns
model.predict("on a dog sat", top=2)
model.predict("cat the mat a dog sat", top=2)       # the window: only the last 3 words count
round(model.perplexity(text).perplexity, 3)
round(fflm.ngram(text, order=4, quiet=True).perplexity(text).perplexity, 3)
model.word_vectors().neighbors("cat", top=2)
_ = Path("vectors.txt").write_text("cat 0.5 1.0\\ndog 0.4 0.9\\n")
frozen = fflm.train(text, vectors="vectors.txt", freeze_vectors=True, **options)
frozen.lm.parameters["embeddings"][frozen.lm.vocabulary.encode(["cat", "dog"])]
updated = fflm.train(text, vectors="vectors.txt", **options)
updated.lm.parameters["embeddings"][updated.lm.vocabulary.encode(["cat", "dog"])]
""",
    ),
    "E21": (
        "Classification: the same embeddings and layers under a softmax over labels",
        """
texts = ["a good film", "good acting", "a bad film", "bad acting", "a film", "acting"] * 10
labels = ["positive", "positive", "negative", "negative", "neutral", "neutral"] * 10
classifier = fflm.TextClassifier(hidden_dims=8, learning_rate=0.02, epochs=20).fit(texts, labels)
classifier.predict(["good", "so bad", "a film with acting"])
""",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("examples", nargs="*", metavar="E", help="which (default: all)")
    chosen = [name.upper() for name in parser.parse_args().examples] or list(EXAMPLES)
    for name in chosen:
        if name not in EXAMPLES:
            parser.error(f"there is no example {name}; there are {', '.join(EXAMPLES)}")
    try:
        for name in chosen:
            title, code = EXAMPLES[name]
            print(f"{name}. {title}\n")
            show(code)
            print(flush=True)
    except BrokenPipeError:  # the reader has gone, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail() -> None:
    """What the interpreter calls for an error in a line."""
    raise


def show(code: str) -> None:
    """Run the lines as the interactive interpreter would, and print them with what it would print."""
    import code as interpreters

    import fflm
    from fflm import graph
    from fflm.nn.optimizers import Optimizer

    known = {"fflm": fflm, "graph": graph, "np": np, "Path": Path, "Optimizer": Optimizer}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), np.printoptions(precision=8, suppress=True):
        console = interpreters.InteractiveConsole(known)
        console.showtraceback = fail
        waiting, lines = False, code.strip().split("\n")
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            print(("... " if waiting else ">>> ") + line)
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                waiting = console.push(line)
                if waiting and not following.startswith((" ", ")")):
                    waiting = console.push("")  # an empty line ends a block
            print(out.getvalue(), end="")


if __name__ == "__main__":
    main()
