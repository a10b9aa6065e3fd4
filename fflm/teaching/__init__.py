"""The textbook: the general network, computation graphs, formulas. Only `fflm.api` and `fflm.cli` import it."""
