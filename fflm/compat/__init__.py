"""The interfaces that people already use, around any model: those of `kenlm`, `nltk.lm` and Android keyboards."""
