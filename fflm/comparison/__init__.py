"""Two models on one text: how far apart they are, whether that can be chance, and where the difference lies."""

from fflm.comparison.paired import compare
from fflm.comparison.report import Comparison, Row, WonWord

__all__ = ["Comparison", "Row", "WonWord", "compare"]
