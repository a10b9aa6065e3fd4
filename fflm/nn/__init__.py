"""The network in the notation of the paper: encoder, layers, output layer, and one training step.

x = (C(w[t-1]), ..., C(w[t-K])); y = b + W x + U f(d + H x); P(w | context) = softmax(y)[w].
Bengio et al. 2003, section 2 and, for the division of the vocabulary among workers, section 3.2.

D is the number of features that the output layer reads: the outputs of the last layer and, with direct connections,
x too. The vocabulary is divided into tiles and slices. A tile is 64 to 512 neighbouring words whose rows of U fit the
cache; one matrix product computes its logits. A slice is a range of neighbouring tiles, at most 24 slices in a network,
that one worker computes in one compiled call. For a batch of B rows, the arrays have these shapes (buffers are wider):

    encoder        x           (B, width)       rows of embeddings side by side, an array of `Inputs`
                   x_t         (width, B)       the same transposed: layers read and write (units, batch)
    layers         z_t, out_t  (h, B)           one row per unit; a `Dense` keeps its inputs as rows (B, inputs) too
    output         features_t  (D, B)           the last layer's out_t; the softmax keeps it as rows (B, D) too
                   y           (tile, B)        one row per word of a tile; exponentials, then gradients
    backward       parts       (slices, D, B)   each slice's gradient of the features, summed in the order of slices
                   grad_t      (units, B)       from layer to layer, as out_t
                   grad_x      (B, width)       as x; `Encoder.gradients` adds it up word by word

The rows of a batch are runs of up to 32 neighbouring positions of the text (`fflm.text.order`). Within a run each bag
of words is computed from that of the row before, and gradients of a bag are carried back the same way. A step may use
the softmax over a sample of the vocabulary (nn/outputs/sampled.py): the rows of U and b of the sampled words are copied
side by side, and the output layer above computes on the copy, as if these words were all.

A product is matmul(out, a, b) with rows of out and b contiguous: forward out_t = H x_t, backward grad_H = delta_t x and
grad_x_t = H.T delta_t. So the inputs of every layer are kept as rows and transposed.

One training step of the language model, file by file, with the kernels (`fflm.kernels`) that each file calls:

 1. training/trainer.py: `Trainer._epoch` takes the batches of an epoch in shuffled order (shuffle).
 2. nn/steps.py: `steps` sets the learning rate by `Optimizer.begin_step`, and calls `Network.step`.
 3. nn/network.py: `Network.step` calls the forward pass, the backward pass, then the updates.
 4. nn/inputs.py: `Inputs.forward` lets the encoder write x, applies dropout and transposes (dropout, matrices).
 5. nn/encoders/context.py: `ContextEncoder.read` gathers the embeddings of the context words and adds up the bags
    (windows, embeddings); nn/encoders/pairs.py does so for word pairs, side by side with it (word_pairs).
 6. nn/layers/dense.py: `Dense.forward`, for each hidden layer of nn/layers/chain.py (matmul, activations, matrices).
 7. nn/outputs/softmax.py, in steps on a sample behind nn/outputs/sampled.py: `Softmax.losses`; then
    `Softmax.backward`, which also updates U and b by the optimizer's rule (softmax, which calls matmul and updates;
    matrices). The gradient goes back through `Dense.backward` (6) and `Inputs.backward` (4).
 8. nn/optimizers.py: `Optimizer.update` for the layers, `Optimizer.update_rows` for the embeddings, whose gradients
    `ContextEncoder.collect` and `gradients` (5) add up (updates, embeddings).

With the option `clip_norm`, U and b are updated after all gradients are known, in 8.

Reading order: batches, draws, parameters, inputs and encoders, layers, outputs, network, optimizers, steps.
"""
