"""What the JSON interface is asked and what it answers; the limits of each request stand here.

Answers are the records that the commands print with ``--json``.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MOST_CHARACTERS = 20_000
LONGEST_CONTEXT = 5_000
SEEDS = 2**63 - 1


class Request(BaseModel):
    """A request: fields that are not known, and values of another type, are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class OfModel(Request):
    """A request that one of the models answers."""

    model: str | None = Field(None, max_length=1000, description="name of a model, as /api/models has it; the first")


class PredictRequest(OfModel):
    """A context whose next word is asked for."""

    context: str = Field(max_length=LONGEST_CONTEXT, description="text; its last words count")
    top: int = Field(10, ge=1, le=100, description="how many words")
    prefix: str = Field("", max_length=100, description="the beginning of the next word")
    special: bool = Field(False, description="let <unk> and <s> be among the words")
    influence: bool = Field(False, description="tell what each word of the context adds to the likeliest word")
    word: str | None = Field(None, max_length=200, description="tell it of this word instead")


class PredictedWord(BaseModel):
    """A next word."""

    word: str
    probability: float
    parts: dict[str, float] | None = Field(None, description="what each part of a mixture adds to the probability")
    share: float | None = Field(None, description="the probability among the words that begin with the prefix")


class ContextWord(BaseModel):
    """A word of the context and what it adds to the next word, in bits: leave-one-out."""

    token: str
    bits: float


class PredictAnswer(BaseModel):
    """The likeliest next words."""

    predictions: list[PredictedWord]
    word: str | None = Field(None, description="the word that the influence is of")
    influence: list[ContextWord] | None = None


class SampleRequest(OfModel):
    """A beginning that is to be continued."""

    prompt: str = Field("", max_length=LONGEST_CONTEXT)
    tokens: int = Field(30, ge=1, le=300)
    samples: int = Field(1, ge=1, le=10)
    temperature: float = Field(1.0, ge=0.0, le=10.0, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=1, le=1_000_000)
    top_p: float | None = Field(None, gt=0.0, le=1.0)
    seed: int = Field(1, ge=0, le=SEEDS)
    special: bool = False


class SampledText(BaseModel):
    """A continuation."""

    prompt: str
    text: str
    tokens: list[str]
    log_prob: float = Field(description="natural logarithm of its probability")


class SampleAnswer(BaseModel):
    """Continuations."""

    samples: list[SampledText]


class ScoreRequest(Request):
    """A text whose words are to be scored."""

    models: list[str] | None = Field(None, min_length=1, max_length=4, description="names of models; the first alone")
    text: str = Field(max_length=MOST_CHARACTERS)


class ScoredWord(BaseModel):
    """A word, or a mark at its beginning or end, with where it stands."""

    word: str
    start: int = Field(description="characters of the text before it")
    end: int
    surprisal: float | None = Field(description="bits; null where it has no probability")
    unknown: bool


class ScoredText(BaseModel):
    """The words of a text under one model."""

    model: str
    words: list[ScoredWord]
    bits: float | None = Field(description="of the whole text, unknown words spelled out where the model can")
    bits_per_word: float | None
    bits_per_character: float | None
    unknown: int


class ScoreAnswer(BaseModel):
    """The text under each of the models."""

    texts: list[ScoredText]


class NeighborsRequest(OfModel):
    """A word whose neighbors are asked for."""

    word: str = Field(min_length=1, max_length=200)
    top: int = Field(10, ge=1, le=100)


class NearWord(BaseModel):
    """A word and the cosine of the angle between its vector and that of the word that was asked for."""

    word: str
    cosine: float


class NeighborsAnswer(BaseModel):
    """The nearest words."""

    neighbors: list[NearWord]


class MapRequest(OfModel):
    """A map of the most frequent words."""

    words: int = Field(200, ge=3, le=500)


class PlacedWord(BaseModel):
    """A word and its place, from 0 to 1 in both directions."""

    word: str
    x: float
    y: float


class MapAnswer(BaseModel):
    """Words whose vectors are similar stand near each other."""

    method: str
    words: list[PlacedWord]


class RunRequest(OfModel):
    """The training of a model that is a run folder."""


class Validation(BaseModel):
    """A validation during training."""

    step: int
    epochs: float
    seconds: float
    valid_perplexity: float | None
    train_perplexity: float | None = None
    sampled_loss: float | None = None
    learning_rate: float | None = None
    tokens_per_second: float | None = None
    sample: str | None = Field(None, description="a beginning, a bar, and what the network added to it")


class RunAnswer(BaseModel):
    """A training run, as far as it has come."""

    finished: bool
    history: list[Validation]
    valid_perplexity: float | None = Field(None, description="of the run's model, once it has ended")
    test_perplexity: float | None = None


class OneModel(BaseModel):
    """A model that is served."""

    name: str
    kind: str | None = Field(description="null where it can't be read, as before the first validation of a run")
    words: int | None = None
    parameters: int | None = None
    reach: int | None = None
    tokenizer: str | None = None
    boundary: str | None = None
    vectors: bool = False
    run: bool = Field(False, description="whether it is a run folder, whose training can be looked at")
    problem: str | None = None


class ModelsAnswer(BaseModel):
    """The models that are served."""

    models: list[OneModel]


class Problem(BaseModel):
    """Why a request was refused, in one line."""

    error: str
