"""Text to ids: tokenizers, vocabularies, named corpora, splits. Knows nothing of models."""

from fflm.text.corpora import NAMES as CORPORA
from fflm.text.dataset import Corpus, TokenStream, encode, encode_texts, fingerprint, load, stream_fingerprint
from fflm.text.labelled import Examples, folds, part_of, read_examples
from fflm.text.leaks import Leak, find_leaks, leak_warnings
from fflm.text.notes import Note
from fflm.text.stream import NO_BREAKS, KnownIds, NewIds, encode_tokens, known_ids
from fflm.text.tokenizer import Tokenizer
from fflm.text.vocabulary import Spelling, Vocabulary

__all__ = [
    "CORPORA",
    "NO_BREAKS",
    "Corpus",
    "Examples",
    "KnownIds",
    "Leak",
    "NewIds",
    "Note",
    "Spelling",
    "TokenStream",
    "Tokenizer",
    "Vocabulary",
    "encode",
    "encode_texts",
    "encode_tokens",
    "find_leaks",
    "fingerprint",
    "folds",
    "known_ids",
    "leak_warnings",
    "load",
    "part_of",
    "read_examples",
    "stream_fingerprint",
]
