"""Training a language model: the loop, validation, the learning rate, time, and the run folder."""
