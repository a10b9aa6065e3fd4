"""Text classification: embeddings, pooled, under hidden layers and a softmax over labels."""

from fflm.classification.classifier import Classifier, shapes
from fflm.classification.features import learn_words
from fflm.classification.report import ClassificationReport
from fflm.classification.training import fit

__all__ = ["ClassificationReport", "Classifier", "fit", "learn_words", "shapes"]
