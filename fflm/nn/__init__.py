"""The network in the paper's letters: encoder, layers, output layer, and one training step.

x = (C(w[t-1]), ..., C(w[t-K])); y = b + W x + U f(d + H x); P(w | context) = softmax(y)[w].
Bengio et al. 2003, section 2 and, for the division of the vocabulary among workers, section 3.2.

Which array stands which way round, for a batch of B rows (buffers are wider than the batch):

    encoder        x           (B, width)       rows of embeddings side by side; `Inputs` owns it
                   x_t         (width, B)       the same transposed: layers read and write (units, batch)
    layers         z_t, out_t  (h, B)           one row per unit; a `Dense` keeps its inputs as rows (B, inputs) too
    output         features_t  (D, B)           the last layer's out_t; the softmax keeps it as rows (B, D) too
                   y           (tile, B)        one row per word, tile by tile; exponentials, then gradients
    backward       parts       (slices, D, B)   each slice's gradient of the features, summed in the order of slices
                   grad_t      (units, B)       from layer to layer, as out_t
                   grad_x      (B, width)       as x; `Encoder.gradients` adds it up word by word

A product is matmul(out, a, b) with rows of out and b contiguous: forward out_t = H x_t, backward grad_H = delta_t x and
grad_x_t = H.T delta_t. That is why inputs are needed both ways round, and nothing else is.

Reading order: batches, draws, parameters, inputs and encoders, layers, outputs, network, optimizers, steps.
"""
