"""Formulas as text, made into computation graphs: ``d = 2 * b; L = c * (a + d)``. Nothing is ever executed."""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from fflm.config.names import ACTIVATIONS
from fflm.errors import ConfigError
from fflm.teaching import graph

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
}
FUNCTIONS = ("abs", "exp", "log", "logsumexp", "mean", "relu", "sigmoid", "softmax", "softplus", "sqrt", "sum", "tanh")
#: Activations of the table are functions too: those that a graph has no step for become the steps of their formulas.
ACTIVATION = {name.replace("-", "_"): made for name, made in ACTIVATIONS.items() if name not in FUNCTIONS}
NAMES = sorted([*FUNCTIONS, *ACTIVATION])
LONGEST, DEEPEST, SHOWN = 10_000, 100, 100


def parse(formula: str, values: Mapping[str, ArrayLike]) -> graph.Node:
    """Build the graph of a formula; its last line is the node returned.

    Parameters
    ----------
    formula : str
        Python's arithmetic (``+ - * / @``, ``**`` a number, brackets), the functions ``abs exp log logsumexp mean relu
        sigmoid softmax softplus sqrt sum tanh`` and ``identity leaky_relu prelu swish`` with their usual slopes,
        ``W.T`` for a transpose; several steps with names, separated by ``;``.
    values : dict
        The value of each name in the formula: a number or nested lists of numbers.

    Raises
    ------
    ConfigError
        If it is no such formula, a name has no value, a step or a value is not used, or shapes do not fit.

    Examples
    --------
    >>> loss = parse("d = 2 * b; L = c * (a + d)", {"a": 3.0, "b": 1.0, "c": -2.0})
    >>> loss.name, float(loss.value)
    ('L', -10.0)
    """
    lines = _lines(formula)
    used: set[str] = set()
    made: set[str] = set()
    for line in lines:
        calls = [part.func for part in ast.walk(line) if isinstance(part, ast.Call)]
        functions = {id(part) for part in calls if isinstance(part, ast.Name) and part.id in NAMES}
        names = [part for part in ast.walk(line) if isinstance(part, ast.Name) and id(part) not in functions]
        used |= {part.id for part in names if isinstance(part.ctx, ast.Load)} - made
        made |= {part.id for part in names if isinstance(part.ctx, ast.Store)}
    for name in values:
        if name not in used:
            raise ConfigError(f"the formula must use every value, got {name}, which does not occur in it")
    return _last({name: graph.value(_array(name, number), name) for name, number in values.items()}, lines)


def on_nodes(formula: str, **nodes: graph.Node) -> graph.Node:
    """Build the graph of a formula that goes on from nodes of another; it need not use all of them.

    Examples
    --------
    >>> z = graph.value([-1.0, 2.0], "z")
    >>> on_nodes("s * z + (1 - s) * relu(z)", z=z, s=graph.value(0.5)).value.tolist()
    [-0.5, 2.0]
    """
    return _last(nodes, _lines(formula))


def _lines(formula: str) -> list[ast.stmt]:
    if len(formula) > LONGEST:
        raise ConfigError(f"the formula must be at most {LONGEST} letters long, got {len(formula)}")
    try:
        with warnings.catch_warnings(action="ignore"):  # of Python, about what is refused anyway
            lines = ast.parse(formula.strip().rstrip(";"), mode="exec").body
    except (RecursionError, MemoryError):
        raise ConfigError("not a formula: too many operators in one step; divide it into steps with names") from None
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"not a formula: {getattr(error, 'msg', error)}") from None
    if not lines:
        raise ConfigError("the formula must not be empty")
    return lines


def _last(names: dict[str, graph.Node], lines: Sequence[ast.stmt]) -> graph.Node:
    made = []
    for line in lines:
        with np.errstate(all="ignore"):  # log 0 is -inf: shown as it is
            try:
                made.append(_step(line, names))
            except ConfigError:
                raise
            except (ValueError, IndexError, OverflowError, ZeroDivisionError) as error:
                raise ConfigError(f"{_quoted(line)}: {error}") from None
    used = set(map(id, graph.in_order(made[-1]))) if len(made) > 1 else {id(made[-1])}
    for line, node in zip(lines, made, strict=True):
        if id(node) not in used:
            raise ConfigError(f"the formula must end in a step that uses all others, got {_quoted(line)} unused")
    return made[-1]


def _array(name: str, number: ArrayLike) -> np.ndarray:
    try:
        array = np.asarray(number, np.float64)
    except (ValueError, TypeError, OverflowError):
        raise ConfigError(f"{name} must be a number, or lists of numbers of equal lengths, got {number!r}") from None
    if not np.isfinite(array).all():
        raise ConfigError(f"{name} must be finite, got {number!r}")
    if array.size == 0 or array.ndim > 2:
        raise ConfigError(f"{name} must be a number, a vector or a matrix, got {number!r}")
    return array


def _step(line: ast.stmt, names: dict[str, graph.Node]) -> graph.Node:
    if isinstance(line, ast.Expr):
        return _node(line.value, names, 0)
    if isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name):
        name = line.targets[0].id
        node = _node(line.value, names, 0)
        if node.name:  # another name is another box
            node = graph.Node(node.value, parents=[node], pull=[lambda g: g])
        names[name] = node.named(name)
        return node
    raise ConfigError(f"not a formula: {_quoted(line)}")


def _node(part: ast.expr, names: dict[str, graph.Node], depth: int) -> graph.Node:
    if depth > DEEPEST:
        raise ConfigError(f"the formula must have at most {DEEPEST} brackets in each other")
    if _is_number(part):
        return graph.value(_array("a number", ast.literal_eval(part)))
    if isinstance(part, ast.Name):
        if part.id not in names:
            raise ConfigError(f"{part.id} has no value; give one, {part.id}=1.5")
        return names[part.id]
    if isinstance(part, ast.UnaryOp) and isinstance(part.op, (ast.USub, ast.UAdd)):
        if _is_number(part.operand):
            return graph.value(_array("a number", ast.literal_eval(part)))
        node = _node(part.operand, names, depth + 1)
        return -node if isinstance(part.op, ast.USub) else node
    if isinstance(part, ast.BinOp) and isinstance(part.op, (ast.Pow, *OPERATORS)):
        chain = [part]
        while isinstance(left := chain[-1].left, ast.BinOp) and type(left.op) in OPERATORS:
            chain.append(left)  # a + b + c ...: as long as it likes
        node = _node(chain[-1].left, names, depth + 1)
        for step in reversed(chain):
            node = _combined(step, node, _node(step.right, names, depth + 1))
        return node
    if isinstance(part, ast.Attribute) and part.attr == "T":
        return _node(part.value, names, depth + 1).T
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
        return _call(part.func.id, part, names, depth)
    hint = "; a power is written **" if isinstance(getattr(part, "op", None), ast.BitXor) else ""
    raise ConfigError(f"not a formula: {_quoted(part)}{hint}")


def _combined(part: ast.BinOp, left: graph.Node, right: graph.Node) -> graph.Node:
    if not isinstance(part.op, ast.Pow):
        combined: graph.Node = OPERATORS[type(part.op)](left, right)
        return combined
    named = any(node.name for node in graph.in_order(right))
    if named or right.value.size != 1 or not np.isfinite(right.value).all():
        raise ConfigError(f"not a formula: in {_quoted(part)}, the exponent must be a number")
    return left ** float(right.value)


def _quoted(part: ast.AST) -> str:
    """Quote a part of a formula, for an error."""
    try:
        text = ast.unparse(part)
    except RecursionError:
        return "a step of many operators"
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."


def _is_number(part: ast.expr) -> TypeGuard[ast.Constant]:
    return isinstance(part, ast.Constant) and type(part.value) in (int, float)


def _call(function: str, part: ast.Call, names: dict[str, graph.Node], depth: int) -> graph.Node:
    if function not in NAMES:
        raise ConfigError(f"{function} is no function here, expected one of {', '.join(NAMES)}")
    if len(part.args) != 1 or part.keywords:
        raise ConfigError(f"{function} must be given one value, got {_quoted(part)}")
    node = _node(part.args[0], names, depth + 1)
    if function in FUNCTIONS:
        result: graph.Node = getattr(node, function)()
        return result
    return on_nodes(ACTIVATION[function].formula, z=node, s=graph.value(ACTIVATION[function].slope or 0.0))
