"""From transcribed speech to the language corpus: clean texts of the people a child hears.

Left out, and counted: the child's own speech, and utterances that hold nothing but notes such as ``[laughs]``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from babyvlm.curation.configuration import CurationConfig
from babyvlm.records import IMAGE_TOKEN, Utterance

_NOTE = re.compile(r"\[[^\[\]()]*\]|\([^\[\]()]*\)")
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def clean_text(text: str, *, lower_case: bool = False) -> str:
    """A text in NFKC, without bracketed notes, invisible characters and needless blanks.

    >>> clean_text("look  [points], a ｄｏｇ! (laughs (softly))")
    'look, a dog!'
    """
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).replace(IMAGE_TOKEN, " ")
    while (without := _NOTE.sub(" ", text)) != text:  # from the innermost note outwards
        text = without
    text = re.sub(r"\s+([,.;:!?])", r"\1", " ".join(text.split()))
    return text.lower() if lower_case else text


def count_words(text: str) -> int:
    """How many words a text has, punctuation aside.

    >>> count_words("that's a teddy-bear, isn't it?")
    5
    """
    return len(_WORD.findall(text))


def select_utterances(
    utterances: Iterable[Utterance], child: str, config: CurationConfig
) -> tuple[list[Utterance], Counter[str]]:
    """What a child heard, with clean texts.

    Args:
        utterances: All utterances of one recording.
        child: Who wears the camera; a speaker of this name is the child too.
        config: The knobs.

    Returns:
        The utterances to learn from, and how many were left out by reason.
    """
    own = {label.lower() for label in (*config.child_speakers, child)}
    kept: list[Utterance] = []
    skipped: Counter[str] = Counter()
    for utterance in utterances:
        text = clean_text(utterance.text, lower_case=config.lower_case)
        if utterance.speaker.lower() in own and not config.keep_child_speech:
            skipped["utterance of the child"] += 1
        elif not count_words(text):
            skipped["utterance without words"] += 1
        else:
            kept.append(utterance.model_copy(update={"text": text}))
    return kept, skipped
