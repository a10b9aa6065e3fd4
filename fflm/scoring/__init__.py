"""How surprising each token of a text is to a model: as numbers, and as a page to look at."""

from fflm.scoring.pages import MOST_TOKENS, alternatives, check_top, page
from fflm.scoring.scores import Scores, score

__all__ = ["MOST_TOKENS", "Scores", "alternatives", "check_top", "page", "score"]
