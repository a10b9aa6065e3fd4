"""The update rules, each one loop over the elements: weights *written*, grad *read*, averages *accumulated*.

All have one shape, `rule(weights, grad, first, second, rates)`, arrays (N,); `first` and `second` are the rule's state
(empty where it keeps none) and `rates` (8,) holds: learning rate, factor of the weights (1 - rate * decay), and up to
six constants of the rule, named in each.
"""

import math

from fflm.kernels._jit import kernel

RULE = "void(float32[::1], float32[::1], float32[::1], float32[::1], float32[::1])"


@kernel(RULE)
def sgd(weights, grad, first, second, rates):
    """Do gradient descent: weights -= rate * grad."""
    rate, keep = rates[0], rates[1]
    for i in range(weights.size):
        weights[i] = weights[i] * keep - rate * grad[i]


@kernel(RULE)
def momentum(weights, grad, first, second, rates):
    """Do momentum: velocity = mu * velocity + grad; weights -= rate * velocity. rates[2] is mu."""
    rate, keep, mu = rates[0], rates[1], rates[2]
    for i in range(weights.size):
        first[i] = mu * first[i] + grad[i]
        weights[i] = weights[i] * keep - rate * first[i]


@kernel(RULE)
def adagrad(weights, grad, first, second, rates):
    """total += grad^2; weights -= rate * grad / (sqrt(total) + tiny). rates[2] is tiny. Duchi et al. 2011."""
    rate, keep, tiny = rates[0], rates[1], rates[2]
    for i in range(weights.size):
        first[i] += grad[i] * grad[i]
        weights[i] = weights[i] * keep - rate * grad[i] / (math.sqrt(first[i]) + tiny)


@kernel(RULE)
def rmsprop(weights, grad, first, second, rates):
    """Tieleman and Hinton 2012: mean = rho * mean + (1 - rho) * grad^2; weights -= rate * grad / (sqrt(mean) + tiny).

    rates[2:5]: rho, 1 - rho, tiny.
    """
    rate, keep, rho, other, tiny = rates[0], rates[1], rates[2], rates[3], rates[4]
    for i in range(weights.size):
        first[i] = rho * first[i] + other * grad[i] * grad[i]
        weights[i] = weights[i] * keep - rate * grad[i] / (math.sqrt(first[i]) + tiny)


@kernel(RULE)
def adadelta(weights, grad, first, second, rates):
    """Zeiler 2012, algorithm 1: a step is as long as the steps before it were, over the gradients'.

    first and second are the means of grad^2 and of step^2. rates[2:5]: rho, 1 - rho, tiny.
    """
    rate, keep, rho, other, tiny = rates[0], rates[1], rates[2], rates[3], rates[4]
    for i in range(weights.size):
        first[i] = rho * first[i] + other * grad[i] * grad[i]
        step = math.sqrt((second[i] + tiny) / (first[i] + tiny)) * grad[i]
        second[i] = rho * second[i] + other * step * step
        weights[i] = weights[i] * keep - rate * step


@kernel(RULE)
def adam(weights, grad, first, second, rates):
    """Kingma and Ba 2015, algorithm 1; the rate has been divided by 1 - beta1^t.

    rates[2:8]: beta1, 1 - beta1, beta2, 1 - beta2, tiny, 1 / sqrt(1 - beta2^t).
    """
    rate, keep, beta1, other1, beta2, other2 = rates[0], rates[1], rates[2], rates[3], rates[4], rates[5]
    tiny, correction = rates[6], rates[7]
    for i in range(weights.size):
        g = grad[i]
        first[i] = beta1 * first[i] + other1 * g
        second[i] = beta2 * second[i] + other2 * g * g
        weights[i] = weights[i] * keep - rate * first[i] / (math.sqrt(second[i]) * correction + tiny)


#: The rules by number.
NAMES = ("sgd", "momentum", "adagrad", "rmsprop", "adadelta", "adam")
NOTHING = -1


@kernel("void(int64, float32[::1], float32[::1], float32[::1], float32[::1], float32[::1])")
def update(rule, weights, grad, first, second, rates):
    """Apply the rule of this number in `NAMES`; the arguments are those of each rule."""
    if rule == 0:
        sgd(weights, grad, first, second, rates)
    elif rule == 1:
        momentum(weights, grad, first, second, rates)
    elif rule == 2:
        adagrad(weights, grad, first, second, rates)
    elif rule == 3:
        rmsprop(weights, grad, first, second, rates)
    elif rule == 4:
        adadelta(weights, grad, first, second, rates)
    elif rule == 5:
        adam(weights, grad, first, second, rates)
