"""The sub-tasks of batteries of other benchmarks. They stand outside the twelve: no mean counts them.

Sources: DevBench (Tan and others, 2024); word-to-picture forced choice as CVCL (Vong and others, 2024) and later work
ask it; Zorro (Huebner and others, 2021) and BLiMP (Warstadt and others, 2020); Machine-DevBench (EgoBabyVLM, 2026).
"""

from __future__ import annotations

from babyvlm.toolbox.tasks import LETTERS, TaskSpec

DEVBENCH_LOOKING = TaskSpec(
    name="devbench_looking",
    title="DevBench: Looking While Listening",
    measure="Looking While Listening",
    age_span_months=(17, 30),
    domain="language",
    chance=1 / 2,
    answers="letter",
    options=LETTERS[:2],
    battery="devbench",
)
DEVBENCH_VOCABULARY = TaskSpec(
    name="devbench_vocabulary",
    title="DevBench: visual vocabulary",
    measure="Visual vocabulary (Long and others, 2023)",
    age_span_months=(36, None),
    domain="language",
    chance=1 / 4,
    answers="letter",
    options=LETTERS,
    battery="devbench",
)
DEVBENCH_GRAMMAR = TaskSpec(
    name="devbench_grammar",
    title="DevBench: reception of grammar",
    measure="Test for Reception of Grammar (Bishop, 1989)",
    age_span_months=(48, None),
    domain="language",
    chance=1 / 4,
    answers="letter",
    options=LETTERS,
    battery="devbench",
)
WORD_PICTURES = TaskSpec(
    name="word_pictures",
    title="Word to picture",
    measure="Word-to-picture forced choice (Vong and others, 2024)",
    age_span_months=(6, None),
    domain="language",
    chance=1 / 4,
    answers="letter",
    options=LETTERS,
    battery="words",
    by_word=True,
)
MINIMAL_PAIRS = TaskSpec(
    name="minimal_pairs",
    title="Minimal pairs",
    measure="Grammatical minimal pairs (Zorro, BLiMP)",
    age_span_months=(18, None),
    domain="language",
    chance=1 / 2,
    answers="text",
    options=(),
    battery="minimal-pairs",
)


def _contrast(kind: str, title: str, *, words: bool = False) -> TaskSpec:
    """A kind of contrast: of words, between two pictures; of grammar, between two captions of a picture."""
    return TaskSpec(
        name=f"contrast_{kind}",
        title=f"Contrasts: {title}",
        measure="Machine-DevBench (EgoBabyVLM, 2026)",
        age_span_months=(6, None) if words else (18, None),
        domain="language",
        chance=1 / 2,
        answers="letter" if words else "text",
        options=LETTERS[:2] if words else (),
        battery="machine-devbench",
    )


CONTRAST_NOUNS = _contrast("nouns", "nouns", words=True)
CONTRAST_ADJECTIVES = _contrast("adjectives", "adjectives", words=True)
CONTRAST_SUBJECT_VERB = _contrast("subject_verb", "subject and verb")
CONTRAST_SUBJECT_ADJECTIVE = _contrast("subject_adjective", "subject and adjective")
CONTRAST_NEGATION = _contrast("negation", "negation")
CONTRAST_WORD_ORDER = _contrast("word_order", "word order")
CONTRAST_PREPOSITIONS = _contrast("prepositions", "prepositions")
CONTRAST_COMPARATIVES = _contrast("comparatives", "comparatives")
CONTRAST_COUNTING = _contrast("counting", "counting")
CONTRAST_EMBEDDED_RELATIVE = _contrast("embedded_relative", "embedded relatives")
