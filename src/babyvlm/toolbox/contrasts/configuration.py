"""What can be set about contrasts, and their kinds. Settings without a source are our choice."""

from __future__ import annotations

from dataclasses import dataclass

from babyvlm.errors import ConfigError

LEXICAL = ("nouns", "adjectives")
GRAMMATICAL = (
    "subject_verb",
    "subject_adjective",
    "negation",
    "word_order",
    "prepositions",
    "comparatives",
    "counting",
    "embedded_relative",
)
KINDS = (*LEXICAL, *GRAMMATICAL)
"""In the order of tables."""
TASK_PREFIX = "contrast_"


@dataclass(frozen=True, kw_only=True)
class ContrastConfig:
    """Settings of contrasts that are made of a training set's vocabulary."""

    per_word: int = 4
    """Contrasts in which each noun, and each adjective, is asked for."""
    per_kind: int = 60
    """Contrasts of each kind of grammar."""
    side: int = 224
    """Width and height of drawn pictures, pixels."""
    drawn: bool = True
    """Whether pictures are drawn; without them there is what the labelled pictures give."""
    nursery_seed: int = 0
    """Of the nursery whose individuals are drawn. They are those of its test split, which no training film shows."""
    seed: int = 0
    """Of the words, places and orders."""

    def __post_init__(self) -> None:
        for name, least in (("per_word", 1), ("per_kind", 1), ("side", 32)):
            if getattr(self, name) < least:
                raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}, and is {getattr(self, name)}")
