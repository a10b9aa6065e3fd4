"""Computation graphs: every value with the steps that made it, and its gradient by going back through them.

Reverse-mode differentiation over NumPy arrays in float64, small enough to be read in a lecture, and an independent
check of the compiled gradients. It is not used in training. Example E14 of the lectures (see `fflm.teaching`):

>>> from fflm.teaching import graph
>>> a, b, c = graph.value(3.0, "a"), graph.value(1.0, "b"), graph.value(-2.0, "c")
>>> loss = c * (a + 2.0 * b)
>>> loss.backward()
>>> float(loss.value), float(a.grad), float(b.grad), float(c.grad)
(-10.0, -2.0, -4.0, 5.0)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fflm import html

Pull = Callable[[np.ndarray], np.ndarray]


class Node:
    """A value in a graph; arithmetic on nodes makes new nodes.

    Understood are ``+ - * / @ **`` (the exponent a number), negation, indexing, and the methods below; arrays are
    broadcast as in NumPy.

    Examples
    --------
    >>> z = value([1.0, 2.0, 3.0])
    >>> z.softmax().sum(), z.logsumexp(), z.relu().mean(), (z * z)[1], z.sqrt().reshape(3, 1).T @ z
    (<sum: 1>, <logsumexp: [3.40761]>, </: 2>, <pick: 4>, <@: [9.02458]>)

    Attributes
    ----------
    value : array
        float64.
    grad : array or None
        After `backward` of a later node: the derivative of that node by this one, of the same shape; None before.
    name : str
        The name of the node in `to_dot`.
    operation : str
        The operation that made the node; empty for a value that was given, and for another name of a node.
    parents : tuple of Node
        From what.
    """

    __array_priority__ = 1000  # so that array * node calls Node.__rmul__

    def __init__(
        self,
        value: ArrayLike,
        name: str = "",
        operation: str = "",
        parents: Sequence[Node] = (),
        pull: Sequence[Pull] = (),
    ):
        self.value = np.array(value, np.float64)  # a copy: later changes of `value` do not reach the node
        self.grad: np.ndarray | None = None
        self.name, self.operation, self.parents = name, operation, tuple(parents)
        self._pull: tuple[Pull, ...] = tuple(pull)  # for each parent: gradient here -> its share of the parent's

    def __repr__(self) -> str:
        return f"<{self.name or self.operation or 'value'}: {shown(self.value)}>"

    def _repr_html_(self) -> str:
        return html.box(self.to_svg())

    def lines(self) -> list[str]:
        """Return what the node's box says: its name and operation, its value, its gradient."""
        title = " = ".join(filter(None, (self.name, self.operation)))
        fields = [*([title] if title else []), f"value {shown(self.value)}"]
        return fields if self.grad is None else [*fields, f"gradient {shown(self.grad)}"]

    def named(self, name: str) -> Node:
        """Give the node a name for the drawing, and return it."""
        self.name = name
        return self

    def backward(self) -> None:
        """Find the gradient of this node's value by every node that it was made from (backpropagation).

        Gradients of several paths to one node add up (the chain rule for several variables). Those that
        an earlier call left in these nodes are forgotten.

        Raises
        ------
        ValueError
            If the value is not a single number: sum it first.
        """
        if self.value.size != 1:
            raise ValueError(f"backward starts at a single number, got an array of shape {self.value.shape}")
        order = in_order(self)
        for node in order:
            node.grad = None
        self.grad = np.ones_like(self.value)
        for node in reversed(order):
            assert node.grad is not None  # every later node that uses it has given its share
            for parent, pull in zip(node.parents, node._pull, strict=True):
                share = _unbroadcast(pull(node.grad), parent.value.shape)
                parent.grad = share.copy() if parent.grad is None else parent.grad + share

    # Arithmetic

    def __add__(self, other: Any) -> Node:
        other = value(other)
        return Node(self.value + other.value, "", "+", (self, other), (lambda g: g, lambda g: g))

    def __sub__(self, other: Any) -> Node:
        other = value(other)
        return Node(self.value - other.value, "", "-", (self, other), (lambda g: g, lambda g: -g))

    def __mul__(self, other: Any) -> Node:
        other = value(other)
        a, b = self.value, other.value
        return Node(a * b, "", "*", (self, other), (lambda g: g * b, lambda g: g * a))

    def __truediv__(self, other: Any) -> Node:
        other = value(other)
        a, b = self.value, other.value
        return Node(a / b, "", "/", (self, other), (lambda g: g / b, lambda g: -g * a / b**2))

    def __pow__(self, exponent: float) -> Node:
        if not isinstance(exponent, (int, float)):
            return NotImplemented
        a = self.value
        slope = exponent * a ** (exponent - 1) if exponent else np.zeros_like(a)  # of x^0 also at 0
        return Node(a**exponent, "", f"^{exponent:g}", (self,), (lambda g: g * slope,))

    def __matmul__(self, other: Any) -> Node:
        other = value(other)
        a, b = self.value, other.value
        few, many = sorted((a.ndim, b.ndim))
        if few == 0 or (few == 1 and many > 2) or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
            raise ValueError(f"arrays of shapes {a.shape} and {b.shape} have no matrix product")
        if few == 1:  # a vector: one row on the left, one column on the right
            rows, columns = (np.atleast_2d(a), b.reshape(len(b), -1))
            pulls = (
                lambda g: (g.reshape(len(rows), -1) @ columns.T).reshape(a.shape),
                lambda g: (rows.T @ g.reshape(len(rows), -1)).reshape(b.shape),
            )
        else:
            pulls = (lambda g: g @ np.swapaxes(b, -1, -2), lambda g: np.swapaxes(a, -1, -2) @ g)
        return Node(a @ b, "", "@", (self, other), pulls)

    def __neg__(self) -> Node:
        return Node(-self.value, "", "-", (self,), (lambda g: -g,))

    def __radd__(self, other: Any) -> Node:
        return value(other) + self

    def __rsub__(self, other: Any) -> Node:
        return value(other) - self

    def __rmul__(self, other: Any) -> Node:
        return value(other) * self

    def __rtruediv__(self, other: Any) -> Node:
        return value(other) / self

    def __rmatmul__(self, other: Any) -> Node:
        return value(other) @ self

    def __getitem__(self, index: Any) -> Node:
        def pull(g: np.ndarray) -> np.ndarray:
            whole = np.zeros_like(self.value)
            np.add.at(whole, index, g)
            return whole

        return Node(self.value[index], "", "pick", (self,), (pull,))

    # Functions

    def _map(self, operation: str, out: np.ndarray, derivative: np.ndarray) -> Node:
        return Node(out, "", operation, (self,), (lambda g: g * derivative,))

    def exp(self) -> Node:
        """Compute e to the power of each number."""
        return self._map("exp", np.exp(self.value), np.exp(self.value))

    def sqrt(self) -> Node:
        """Compute the square root of each number."""
        return self._map("sqrt", np.sqrt(self.value), 0.5 / np.sqrt(self.value))

    def log(self) -> Node:
        """Compute the natural logarithm of each number."""
        return self._map("log", np.log(self.value), 1.0 / self.value)

    def abs(self) -> Node:
        """Compute the absolute value of each number; the derivative at 0 is taken as 0."""
        return self._map("abs", np.abs(self.value), np.sign(self.value))

    def tanh(self) -> Node:
        """Compute the hyperbolic tangent of each number."""
        return self._map("tanh", np.tanh(self.value), 1.0 - np.tanh(self.value) ** 2)

    def sigmoid(self) -> Node:
        """Compute 1 / (1 + e^-z) of each number z."""
        s = np.exp(np.minimum(self.value, 0.0)) / (1.0 + np.exp(-np.abs(self.value)))  # nothing overflows
        return self._map("sigmoid", s, s * (1.0 - s))

    def relu(self) -> Node:
        """Compute max(z, 0) of each number z; the derivative at 0 is taken as 1."""
        return self._map("relu", np.maximum(self.value, 0.0), (self.value >= 0.0) * 1.0)

    def softplus(self) -> Node:
        """Compute log(1 + e^z) of each number z; its derivative is the sigmoid."""
        small = np.exp(-np.abs(self.value))
        out = np.maximum(self.value, 0.0) + np.log1p(small)
        return self._map("softplus", out, np.where(self.value >= 0.0, 1.0, small) / (1.0 + small))

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Node:
        """Compute the sum of all numbers, or along one axis."""
        out, shape = self.value.sum(axis=axis, keepdims=keepdims), self.value.shape

        def pull(g: np.ndarray) -> np.ndarray:
            return np.broadcast_to(g if axis is None or keepdims else np.expand_dims(g, axis), shape)

        return Node(out, "", "sum", (self,), (pull,))

    def mean(self) -> Node:
        """Compute the mean of all numbers."""
        return self.sum() / self.value.size

    def logsumexp(self) -> Node:
        """Compute log of the sum of e^z along the last axis, which stays, 1 long; no exponential overflows."""
        peak = self.value.max(axis=-1, keepdims=True)
        powers = np.exp(self.value - peak)
        total = powers.sum(axis=-1, keepdims=True)
        return Node(peak + np.log(total), "", "logsumexp", (self,), (lambda g: g * powers / total,))

    def softmax(self) -> Node:
        """Compute e^z / sum of e^z along the last axis."""
        powers = np.exp(self.value - self.value.max(axis=-1, keepdims=True))
        out = powers / powers.sum(axis=-1, keepdims=True)
        return Node(out, "", "softmax", (self,), (lambda g: out * (g - (g * out).sum(axis=-1, keepdims=True)),))

    def reshape(self, *shape: int) -> Node:
        """Arrange the numbers in another shape."""
        before = self.value.shape
        return Node(self.value.reshape(*shape), "", "reshape", (self,), (lambda g: g.reshape(before),))

    @property
    def T(self) -> Node:
        """The transpose."""
        return Node(self.value.T, "", "transpose", (self,), (lambda g: g.T,))

    def to_svg(self) -> str:
        """Draw the graph that ends here as an SVG: one box for each node, with value and gradient.

        Examples
        --------
        >>> (value(2.0, "x") * 3.0).to_svg().count("<rect")
        3
        """
        order = in_order(self)
        number = {id(node): i for i, node in enumerate(order)}
        return html.graph([(node.lines(), [number[id(parent)] for parent in node.parents]) for node in order])

    def to_dot(self) -> str:
        """Write the graph that ends here in the language of Graphviz: one box for each node, with value and gradient.

        Examples
        --------
        >>> x = value(-2.0, "x")
        >>> y = (x * 3.0).named("y")
        >>> y.backward()
        >>> print(y.to_dot())
        digraph {
          rankdir=LR
          node [shape=record fontname="Helvetica"]
          n0 [label="x|value -2|gradient 3"]
          n1 [label="value 3|gradient -2"]
          n2 [label="y = *|value -6|gradient 1"]
          n0 -> n2
          n1 -> n2
        }
        """
        order = in_order(self)
        number = {id(node): i for i, node in enumerate(order)}
        lines = ["digraph {", "  rankdir=LR", '  node [shape=record fontname="Helvetica"]']
        for i, node in enumerate(order):
            lines.append(f'  n{i} [label="{"|".join(map(_escaped, node.lines()))}"]')
        for i, node in enumerate(order):
            lines += [f"  n{number[id(parent)]} -> n{i}" for parent in node.parents]
        return "\n".join([*lines, "}"])


def value(number: ArrayLike | Node, name: str = "") -> Node:
    """Make a node of a number or an array; a node is returned unchanged."""
    return number if isinstance(number, Node) else Node(number, name)


def concatenate(nodes: Sequence[Node]) -> Node:
    """Join nodes along the last axis."""
    nodes = [value(node) for node in nodes]
    ends = np.cumsum([node.value.shape[-1] for node in nodes])
    pulls = [
        lambda g, first=end - node.value.shape[-1], last=end: g[..., first:last]
        for node, end in zip(nodes, ends, strict=True)
    ]
    return Node(np.concatenate([node.value for node in nodes], axis=-1), "", "concatenate", nodes, pulls)


def in_order(root: Node) -> list[Node]:
    """Return every node that `root` was made from and itself last, each after all that it was made from."""
    order, seen, todo = [], set(), [(root, False)]
    while todo:
        node, ready = todo.pop()
        if ready:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            todo.append((node, True))
            todo += [(parent, False) for parent in reversed(node.parents)]
    return order


to_dot = Node.to_dot


def shown(array: np.ndarray) -> str:
    """Format a number, a small array, or the shape of a larger one, on one line."""
    if array.size > 12:
        return "array of " + "x".join(map(str, array.shape))
    return " ".join(np.array2string(array + 0.0, separator=", ", formatter={"float_kind": "{:.6g}".format}).split())


def _unbroadcast(grad: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Add up what broadcasting repeated."""
    grad = np.asarray(grad)
    if grad.ndim > len(shape):
        grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    repeated = tuple(i for i, size in enumerate(shape) if size == 1 and grad.shape[i] != 1)
    return grad.sum(axis=repeated, keepdims=True) if repeated else grad


def _escaped(text: str) -> str:
    return "".join("\\" + letter if letter in '\\"{}|<>' else letter for letter in text)
