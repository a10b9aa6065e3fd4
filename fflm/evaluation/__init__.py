"""What measures a model on a text: perplexity, intervals, comparison, surprisal."""

from fflm.evaluation.comparison import compare
from fflm.evaluation.comparison_report import Comparison
from fflm.evaluation.perplexity import Perplexity, evaluate, evaluate_tokens
from fflm.evaluation.surprisal import Scores, score

__all__ = ["Comparison", "Perplexity", "Scores", "compare", "evaluate", "evaluate_tokens", "score"]
