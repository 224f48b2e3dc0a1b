"""Which tiers of an ELAN document hold speech.

    a type with a controlled vocabulary, values chosen from one      codes
    code*, context*, on_off*, notes ... (ACLEW and common usage)     work of the annotator
    values that are names of the other tiers                         codes
    a tier with a parent                                             codes, translations or words of the parent's speech
    all others                                                       speech

Where a parent holds no words of its own (empty segments, or numbers of records such as ``utt.001``), what is said
stands on its first dependent tier without a vocabulary.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from babyvlm.corpus.transcripts.cues import Parsed

_NOT_SPEECH = re.compile(
    r"(?:code|context|on[-_ ]?off|notes?|comments?|noise|remarks?|metadata|task|activity|location|gaze|gesture|pho|mor"
    r"|gra|xds|vcm|lex|mwu|act|sit|spa|par|tim|err|com|exp|add)(?:[-_ @:.\d].*)?|(?:code|context|on_off)\w*",
    re.IGNORECASE,
)
"""Names of tiers that describe the recording or the annotator's work: the ACLEW scheme, CHAT's dependent tiers."""
_SPEAKER_CODE = re.compile(r"CHI|[FMU][ACU]\d+|EE\d+")
"""Tiers of the ACLEW scheme, named by who speaks."""
_RECORD_NUMBER = re.compile(r"\S*\d\S*")


@dataclass
class Annotation:
    """One annotation."""

    id: str
    line: int
    slots: tuple[str, str] | None
    """Start and end among the document's times; None where it refers to another annotation."""
    parent: str
    is_code: bool
    """Whether its value was chosen from a controlled vocabulary."""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class TierType:
    """A linguistic type."""

    constraint: str
    has_vocabulary: bool


@dataclass(kw_only=True)
class Tier:
    """A tier with its annotations, in the order of the file."""

    name: str
    participant: str
    parent: str
    kind: str
    language: str
    annotations: list[Annotation] = field(default_factory=list)

    @property
    def speaker(self) -> str:
        return self.participant or self.name.strip()

    @property
    def texts(self) -> list[str]:
        return [text for each in self.annotations if (text := each.text.strip())]


@dataclass
class Document:
    """What an ELAN file holds."""

    units: str = "milliseconds"
    origins: list[tuple[str, int]] = field(default_factory=list)
    """The stem of each medium's name, and its TIME_ORIGIN in milliseconds."""
    times: dict[str, int | None] = field(default_factory=dict)
    types: dict[str, TierType] = field(default_factory=dict)
    tiers: list[Tier] = field(default_factory=list)
    in_value: bool = False
    _by_id: dict[str, Annotation] = field(default_factory=dict)

    def slots_of(self, annotation: Annotation) -> tuple[str, str] | None:
        """Start and end of an annotation, of what it refers to where it has none; None where that is not there."""
        if not self._by_id:
            self._by_id = {each.id: each for tier in self.tiers for each in tier.annotations}
        for _ in range(len(self.tiers)):
            if annotation.slots is not None:
                return annotation.slots
            parent = self._by_id.get(annotation.parent)
            if parent is None:
                return None
            annotation = parent
        return annotation.slots


def speech_tiers(document: Document, parsed: Parsed) -> Iterator[Tier]:
    """The tiers that hold speech; annotations of all others are counted."""
    names = {part.lower() for tier in document.tiers for part in (tier.name, tier.participant) if part}
    roots = [tier for tier in document.tiers if not tier.parent]
    replaced: dict[str, Tier] = {}
    for root in roots:
        if not _is_coding(root, document, names) and _lacks_words(root):
            said = next((tier for tier in _dependants(root, document) if _may_say(tier, document, names)), None)
            if said is not None:
                replaced[root.name] = said
    for tier in document.tiers:
        if tier.name in replaced:
            said = replaced[tier.name]
            owner = tier.participant or said.participant or tier.name
            language = said.language or tier.language
            yield _joined(dataclasses.replace(said, participant=owner, language=language), document)
        elif tier.parent:
            if all(tier is not said for said in replaced.values()):
                parsed.not_speech["annotation of a dependent tier"] += len(tier.annotations)
        elif _is_coding(tier, document, names):
            parsed.not_speech["annotation of a tier of codes or notes"] += len(tier.annotations)
        elif _SPEAKER_CODE.fullmatch(tier.name) and sum(each.participant == tier.participant for each in roots) > 1:
            yield dataclasses.replace(tier, participant="")  # MULTI, for several people: the name says who
        else:
            yield tier


def _is_coding(tier: Tier, document: Document, names: set[str]) -> bool:
    kind = document.types.get(tier.kind)
    if kind is not None and kind.has_vocabulary:
        return True
    if _NOT_SPEECH.fullmatch(tier.name.strip()):
        return True
    if tier.annotations and all(each.is_code for each in tier.annotations):
        return True
    own = {tier.name.lower(), tier.participant.lower()}
    texts = [text.lower() for text in tier.texts]
    return len(texts) > 1 and all(text in names - own for text in texts)


def _lacks_words(tier: Tier) -> bool:
    texts = tier.texts
    if not texts:
        return bool(tier.annotations)
    return len(texts) > 1 and len(set(texts)) == len(texts) and all(_RECORD_NUMBER.fullmatch(text) for text in texts)


def _dependants(root: Tier, document: Document) -> Iterator[Tier]:
    """Tiers below a tier, nearest first."""
    level = [root.name]
    while level:
        below = [tier for tier in document.tiers if tier.parent in level and tier.name not in level]
        yield from below
        level = [tier.name for tier in below]


def _may_say(tier: Tier, document: Document, names: set[str]) -> bool:
    return bool(tier.texts) and not _is_coding(tier, document, names)


def _joined(tier: Tier, document: Document) -> Tier:
    """A tier whose annotations, where several subdivide one, are joined to that one's."""
    if any(each.slots is not None for each in tier.annotations):
        return tier
    joined: dict[str, Annotation] = {}
    for each in tier.annotations:
        if each.parent in joined:
            joined[each.parent].text += " " + each.text
        else:
            joined[each.parent] = dataclasses.replace(each)
    return dataclasses.replace(tier, annotations=list(joined.values()))
