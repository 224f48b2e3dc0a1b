"""What a person is told: the published prompt without what only a model needs.

Letters, picture places and instructions on how to spell the answer go, because a person touches what they mean. Every
published variant of the prompts is read; a prompt of another form is said as it stands, placeholders taken out.
"""

from __future__ import annotations

import re

from babyvlm.records import IMAGE_TOKEN

# DEVIATION: people are not asked in the words of models. The published study's own wording for people is not known.
_LEAVES = re.compile(r"(?:does|do) the (?P<thing>.+?)(?: collectively)? leave the frame through", re.IGNORECASE)
_PART = re.compile(
    r"which part of the frame (?:does|do) the (?P<thing>.+?)(?: collectively)? leave from", re.IGNORECASE
)
_TOUCH_WORD = re.compile(r"Touch the image of '(?P<word>[^']+)'")
_FOR_MODELS = re.compile(r"(?:\bAnswer with a number\.|\bAnswer|\bIs it in the)?\s*\(A\).*|\brespond ONLY.*", re.DOTALL)


def spoken(prompt: str) -> str:
    """What is shown and said to a person.

    >>> spoken("Touch the image of 'banana' (A)<image> (B)<image>")
    'Touch the banana.'
    >>> spoken("<image> Point at the hat. Is it in the (A) top left or (B) top right ...?")
    'Point at the hat.'
    >>> spoken("<image><image> which part of the frame does the cow leave from? respond ONLY with one of: 'top'.")
    'Where did the cow go?'
    """
    if found := _LEAVES.search(prompt) or _PART.search(prompt):
        return f"Where did the {found['thing']} go?"
    if found := _TOUCH_WORD.search(prompt):
        return f"Touch the {found['word']}."
    text = _FOR_MODELS.sub("", prompt).replace(IMAGE_TOKEN, " ")
    text = re.sub(r"\s+", " ", text).strip(" .,;:")
    return text if text.endswith(("?", "!")) else f"{text}."


def voice_file_stem(said: str) -> str:
    """The name, without its ending, of the file in which a prompt is recorded.

    >>> voice_file_stem("Touch the teddy bear.")
    'touch-the-teddy-bear'
    """
    return re.sub(r"[^a-z0-9]+", "-", said.lower()).strip("-")
