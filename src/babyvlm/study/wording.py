"""The prompt for a person: the published one without what only a model needs.

Letters, picture places and instructions on how to spell the answer go, because a person touches what they mean. Every
published variant of the prompts is read; a prompt of another form is said as it stands, placeholders taken out.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from babyvlm.plurals import plural
from babyvlm.records import IMAGE_TOKEN

# DEVIATION: people are not asked in the words of models. The published study's own wording for people is not known.
_LEAVES = re.compile(r"(?:does|do) the (?P<thing>.+?)(?: collectively)? leave the frame through", re.IGNORECASE)
_PART = re.compile(
    r"which part of the frame (?:does|do) the (?P<thing>.+?)(?: collectively)? leave from", re.IGNORECASE
)
_TOUCH_WORD = re.compile(r"Touch the image of '(?P<word>[^']+)'")
_FOR_MODELS = re.compile(r"(?:\bAnswer with a number\.|\bAnswer|\bIs it in the)?\s*\(A\).*|\brespond ONLY.*", re.DOTALL)
_SIMPLER: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\bHow many of (.+?) (?=do you see\b)"), lambda found: f"How many {plural(found[1])} "),
    (re.compile(r"\bhas more of (.+?)(?=\?)"), lambda found: f"has more {plural(found[1])}"),
    (re.compile(r"\bWhich of the following\b"), lambda _: "Which one"),
    (re.compile(r"\bimage\b"), lambda _: "picture"),
)


def spoken(prompt: str) -> str:
    """What is shown and said to a person.

    >>> spoken("Touch the image of 'banana' (A)<image> (B)<image>")
    'Touch the banana.'
    >>> spoken("<image> Point at the hat. Is it in the (A) top left or (B) top right ...?")
    'Point at the hat.'
    >>> spoken("<image><image> which part of the frame does the cow leave from? respond ONLY with one of: 'top'.")
    'Where did the cow go?'
    >>> spoken("<image> How many of teddy bear do you see?")
    'How many teddy bears do you see?'
    """
    if found := _LEAVES.search(prompt) or _PART.search(prompt):
        return f"Where did the {found['thing']} go?"
    if found := _TOUCH_WORD.search(prompt):
        return f"Touch the {found['word']}."
    text = _FOR_MODELS.sub("", prompt).replace(IMAGE_TOKEN, " ")
    text = re.sub(r"\s+", " ", text).strip(" .,;:")
    for published, simpler in _SIMPLER:
        text = published.sub(simpler, text)
    return text if text.endswith(("?", "!")) else f"{text}."


def said_before_film(prompt: str) -> str:
    """What is shown and said while a film runs, before the question about it.

    >>> said_before_film("<image><image> which part of the frame does the cow leave from? respond ONLY with ...")
    'Watch the cow.'
    >>> said_before_film("<image><image> What happens?")
    'Watch.'
    """
    found = _LEAVES.search(prompt) or _PART.search(prompt)
    return f"Watch the {found['thing']}." if found else "Watch."
