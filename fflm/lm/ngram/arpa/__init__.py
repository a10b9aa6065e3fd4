r"""ARPA files, the exchange format of n-gram models in back-off form: KenLM, SRILM and others read and write them.

A header ``\data\`` counts the n-grams of each order. A section ``\k-grams:`` has a line for each: log10 P of its last
word, its words, log10 b (see `NgramModel`). ``\end\`` ends the file. -99 stands for the logarithm of 0.

The format has no place for a tokenizer. Where text is not read as lines of words with blanks between them, a comment
before the header, ``# fflm tokenizer:`` and its state as JSON, says how; other tools pass over it.

A model of the ``eos`` boundary has ``<eos>`` as a word like any other and never met ``</s>``: to other tools its text
is one sentence without an end, with ``<eos>`` written for each line end.
"""
