"""What reading and writing ARPA files share."""

import numpy as np

from fflm.config import TokenizerConfig

#: How text is read for an ARPA file that names no tokenizer.
ARPA_TEXT = TokenizerConfig(tokenizer="whitespace", boundary="line")
#: The beginning of the comment that names one.
TOKENIZER = "# fflm tokenizer:"
LN10, LOG10_ZERO = np.log(10.0), -99.0
