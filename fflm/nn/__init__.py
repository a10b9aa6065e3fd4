"""The network in the paper's letters, and the team of workers that divides its vocabulary.

x = (C(w[t-1]), ..., C(w[t-K])); y = b + W x + U f(d + H x); P(w | context) = softmax(y)[w].
Bengio et al. 2003, section 2 and, for the division of the vocabulary, section 3.2.
"""
