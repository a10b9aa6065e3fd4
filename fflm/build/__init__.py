"""Models made from text: a network trained, n-grams counted, models mixed."""

from fflm.build.classify import classify
from fflm.build.mix import mix
from fflm.build.ngram import convert_arpa, ngram
from fflm.build.train import train

__all__ = ["classify", "convert_arpa", "mix", "ngram", "train"]
