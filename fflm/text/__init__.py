"""Text to ids: tokenizers, vocabularies, named corpora, splits. Knows nothing of models."""

from fflm.text.corpora import NAMES as CORPORA
from fflm.text.dataset import Corpus, TokenStream, encode, fingerprint, load
from fflm.text.tokenizer import Tokenizer
from fflm.text.vocabulary import Vocabulary

__all__ = ["CORPORA", "Corpus", "TokenStream", "Tokenizer", "Vocabulary", "encode", "fingerprint", "load"]
