"""From transcribed speech to the language corpus: clean texts of the people a child hears.

Left out, and counted: speakers who are not to be learned from, the child's own speech first of all; utterances in
other languages; and those in which nothing but notes such as ``[laughs]`` stands. What each cleaning rule changed is
counted too.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.speakers import who_speaks
from babyvlm.records import IMAGE_TOKEN, Utterance
from babyvlm.words import words_of


@dataclass(frozen=True, kw_only=True)
class CleaningRule:
    """One thing that is taken out of texts."""

    name: str
    """What it takes out, by which its work is counted."""
    pattern: re.Pattern[str]
    replacement: str = " "

    def apply(self, text: str) -> str:
        while (without := self.pattern.sub(self.replacement, text)) != text:  # from the innermost note outwards
            text = without
        return text


CLEANING_RULES = (
    CleaningRule(name="invisible characters", pattern=re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]"), replacement=""),
    CleaningRule(name="image placeholders", pattern=re.compile(re.escape(IMAGE_TOKEN))),
    CleaningRule(
        name="standard forms (gimme [: give me])",
        pattern=re.compile(r"(?:<[^<>]*>|\S+)\s*\[:+\s*([^\[\]]*)\]"),
        replacement=r"\1",
    ),
    CleaningRule(name="markup", pattern=re.compile(r"</?[a-zA-Z][^<>]{0,40}>|<\|[^<>|]{0,40}\|>")),
    CleaningRule(name="bracketed notes", pattern=re.compile(r"\[[^\[\]()]*\]|\([^\[\]()]*\)")),
    CleaningRule(name="notes between stars or notes of music", pattern=re.compile(r"\*[^*]{1,40}\*|[♪♫♩♬]+")),
    CleaningRule(name="events (&=laughs)", pattern=re.compile(r"(?<!\S)&[=~+*-]\S*")),
    CleaningRule(
        name="speech not understood (xxx)", pattern=re.compile(r"(?<!\w)(?:xxx|yyy|www)(?!\w)", re.IGNORECASE)
    ),
    CleaningRule(name="no speech (0.)", pattern=re.compile(r"^\s*0\s*\.?\s*$")),
    CleaningRule(name="turn marks (>> and dashes)", pattern=re.compile(r"^\s*(?:-+|–|—)\s*|(?<!\S)>>+\s*")),
)
"""In the order in which they are applied, after NFKC normalisation; blanks are mended last."""


def clean_text(text: str, *, lower_case: bool = False, changed: Counter[str] | None = None) -> str:
    """A text in NFKC, without notes, marks, invisible characters and needless blanks.

    Args:
        text: As transcribed.
        lower_case: Whether to lower-case it.
        changed: Where to count, by rule, that it changed the text.

    >>> clean_text("look  [points], a ｄｏｇ! (laughs (softly))")
    'look, a dog!'
    """
    text = unicodedata.normalize("NFKC", text)
    for rule in CLEANING_RULES:
        without = rule.apply(text)
        if changed is not None and without != text:
            changed[rule.name] += 1
        text = without
    text = re.sub(r"\s+([,.;:!?])", r"\1", " ".join(text.split()))
    return text.lower() if lower_case else text


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The utterances of a recording to learn from."""

    utterances: tuple[Utterance, ...]
    """With clean texts, by start."""
    skipped: Counter[str]
    """How many were left out, by reason."""
    cleaned: Counter[str]
    """How many texts each cleaning rule changed."""


def select_utterances(utterances: Iterable[Utterance], child: str, config: CurationConfig) -> Selection:
    """What a child heard, with clean texts.

    Args:
        utterances: All utterances of one recording.
        child: Who wears the camera; a speaker of this name is the child too.
        config: The settings.
    """
    own = {label.lower() for label in config.child_speakers}
    kept: list[Utterance] = []
    skipped: Counter[str] = Counter()
    cleaned: Counter[str] = Counter()
    for utterance in utterances:
        who = "own" if utterance.speaker.lower() in own else who_speaks(utterance.speaker, child)
        if who not in config.speakers:
            skipped["utterance of the child" if who == "own" else f"utterance of speaker kind: {who}"] += 1
            continue
        if config.languages and utterance.language and utterance.language not in config.languages:
            skipped[f"utterance in another language: {utterance.language}"] += 1
            continue
        text = clean_text(utterance.text, lower_case=config.lower_case, changed=cleaned)
        if not words_of(text):
            skipped["utterance without words"] += 1
        else:
            kept.append(utterance.model_copy(update={"text": text}))
    return Selection(utterances=tuple(kept), skipped=skipped, cleaned=cleaned)
