"""N-best lists of speech recognition and machine translation, ranked anew with a language model.

Reading order: nbest (the forms of the lists), word_errors, log_probs, weights (fitted on references), ranking.
"""
