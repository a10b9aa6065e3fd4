"""The textbook: the general network, computation graphs, formulas. Only `fflm.api` and `fflm.cli` import it.

Docstrings refer to the lectures on feedforward networks by numbers. With cost C, layers l = 1 .. L, z = W a + b,
a = f(z) and delta = dC/dz, the equations of backpropagation are:

    BP1    delta of layer L = dC/da * f'(z)
    BP2    delta of layer l = (W.T delta, with W and delta of layer l + 1) * f'(z)
    BP3    dC/db = delta
    BP4    dC/dW = delta (a of layer l - 1).T

E1 to E21 are the worked examples of the lectures; ``python scripts/textbook.py E7`` prints one as computed by fflm.
Docstrings name these:

    E1     one unit: three inputs, z = w x + b, a = sigmoid(z)
    E6     pairs of a cost and an output activation; where dC/dz = a - y
    E7     one step of gradient descent for a network 2-1-1, sigmoid, C = (y - a)^2 / 2
    E8     one step for a network 2-2-1, sigmoid, C = (a - y)^2
    E13    gradient check: (f(x + h) - f(x - h)) / 2h against the analytic gradient
    E14    computation graph of L = c (a + 2 b)
    E17    computation graph of a network of two layers: where two paths meet, gradients add up
    E19    exclusive or, which a network of two layers learns and a linear one cannot
"""
