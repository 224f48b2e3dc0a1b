"""Which task a published prompt belongs to, and what may be answered to it.

prompt -> Recognised(family, variant, options, word) | None

A family is a task, or two tasks that ask alike and that only the file name tells apart (counting and subitizing, the
two of Who Has More). Every variant that has been published is here; the first of each family is the one that
`babyvlm.toolbox.tasks` writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from babyvlm.records import IMAGE_TOKEN
from babyvlm.toolbox.directions import DIRECTIONS
from babyvlm.toolbox.tasks import LETTERS, task_named

Family = Literal[
    "counting", "who_has_more", "localization", "left_right", "spatial_details", "picture_vocabulary",
    "looking_while_listening", "visual_delayed_response_binary", "visual_delayed_response_open", "memory",
]  # fmt: skip

FAMILY_TASKS: dict[str, tuple[str, ...]] = {
    "counting": ("object_counting", "subitizing"),
    "who_has_more": ("who_has_more_naturalistic", "who_has_more_synthetic"),
}
"""Tasks of the families that have two, the one that is meant where the file name does not say first."""


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What a prompt tells."""

    family: Family
    variant: str
    """``published`` for the form we write ourselves, otherwise a name for the published form it is in."""
    options: tuple[str, ...]
    """Every admissible answer; empty where the task alone decides (numbers)."""
    word: str = ""
    """The thing, word or object asked about."""
    task: str = ""
    """The task, where the prompt itself decides between the family's two."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks it may belong to, the likeliest first."""
        return (self.task,) if self.task else FAMILY_TASKS.get(self.family, (self.family,))


@dataclass(frozen=True, kw_only=True)
class _Form:
    """One published wording."""

    family: Family
    pattern: str
    variant: str = "published"
    options: tuple[str, ...] = ()
    task: str = ""
    compiled: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        # Published files differ in their blanks. Placeholders may be absent: some files leave them out and show all
        # pictures first.
        pattern = re.sub(" ?@ ?", r"\\s*(?:<image>)?\\s*", self.pattern)
        pattern = re.sub(" ?~ ?", r"\\s*(?:<image>\\s*)*", pattern).replace(" ", r"\s+")
        object.__setattr__(self, "compiled", re.compile(rf"\s*{pattern}\s*\.?\s*", re.DOTALL))


_WORD = r"(?P<word>\S.*?)"
_SIDE = r"(?P<{}>(?:top|bottom|left|right)(?:[ -](?:left|right))?)"
_BINARY_END = (
    rf"the {_SIDE.format('first')} (?:side|corner) of the frame or the {_SIDE.format('second')} (?:side|corner) "
    rf"of the frame\? respond ONLY with '.*?' or '.*?'"
)
_OPEN_END = r"\? respond ONLY with one of: 'top', 'bottom', 'left', 'right', .*"
_FOUR_NAMED = r"\(A\) the first image \(B\) the second image \(C\) the third image \(D\) the fourth image"
_QUADRANTS = r"\(A\) top left image \(B\) top right image \(C\) bottom left image \(D\) bottom right image"

# In a pattern, @ stands for a picture's placeholder, ~ for any number of them, a blank for any white space.
_FORMS = (
    _Form(family="counting", variant="published: of", pattern=rf"@ How many of {_WORD} do you see\?"),
    _Form(family="counting", pattern=rf"@ How many {_WORD} do you see\?"),
    _Form(
        family="who_has_more",
        task="who_has_more_synthetic",
        options=LETTERS[:2],
        pattern=rf"Which image has more (?:of )?{_WORD}\? Answer \(A\) @ \(B\) @",
    ),
    _Form(
        family="who_has_more",
        variant="published: of",
        options=LETTERS[:2],
        pattern=rf"Which image has more of {_WORD}\? \(A\) @ \(B\) @",
    ),
    _Form(
        family="who_has_more",
        options=LETTERS[:2],
        pattern=rf"Which image has more {_WORD}\? \(A\) @ \(B\) @",
    ),
    _Form(
        family="localization",
        options=LETTERS,
        pattern=rf"@ Point at the {_WORD}\. Is it in the \(A\) top left or \(B\) top right or \(C\) bottom left "
        r"or \(D\) bottom right of the image\?",
    ),
    _Form(
        family="left_right",
        options=LETTERS[:3],
        pattern=r"@ Which of the following is the same as this\? \(A\) @ \(B\) @ \(C\) @",
    ),
    _Form(
        family="left_right",
        variant="published: answer with a number",
        options=LETTERS[:3],  # its records are answered with letters all the same
        pattern=r"@ Which of the following is the same as this\? Answer with a number\. \(A\) @ \(B\) @ \(C\) @",
    ),
    _Form(
        family="spatial_details",
        options=LETTERS[:3],
        pattern=r"@ Which of the following contains exactly this object\? \(A\) @ \(B\) @ \(C\) @\. "
        r"Pay attention to details and give only a letter A-C",
    ),
    _Form(
        family="spatial_details",
        variant="published: a letter",
        options=LETTERS[:3],
        pattern=r"@ Which of the following contains exactly this object\? \(A\) @ \(B\) @ \(C\) @\. "
        r"Pay attention to details and give a letter A-C",
    ),
    _Form(
        family="spatial_details",
        variant="published: four options",
        options=LETTERS,
        pattern=r"@ Which of the following contains exactly this object\? \(A\) @ \(B\) @ \(C\) @ \(D\) @\. "
        r"Pay attention to details and give (?:only )?a letter A-D",
    ),
    _Form(
        family="picture_vocabulary",
        options=LETTERS,
        pattern=rf"Touch the image of '{_WORD}' \(A\) @ \(B\) @ \(C\) @ \(D\) @",
    ),
    _Form(
        family="picture_vocabulary",
        variant="published: pictures first",
        options=LETTERS,
        pattern=rf"~ Touch the image of '{_WORD}' {_FOUR_NAMED}",
    ),
    _Form(
        family="picture_vocabulary",
        variant="published: one picture of four",
        options=LETTERS,
        pattern=rf"@ Touch the image of '{_WORD}' {_QUADRANTS}",
    ),
    _Form(
        family="looking_while_listening",
        options=LETTERS[:2],
        pattern=rf"Touch the image of '{_WORD}' \(A\) @ \(B\) @",
    ),
    _Form(
        family="visual_delayed_response_binary",
        pattern=rf"~ (?:does|do) the {_WORD} (?:collectively )?leave the frame through {_BINARY_END}",
    ),
    _Form(
        family="visual_delayed_response_binary",
        variant="published: where it hides",
        options=LETTERS[:2],
        pattern=r"~ Where does it hide\? \(A\) left \(B\) right",
    ),
    _Form(
        family="visual_delayed_response_open",
        options=DIRECTIONS,
        pattern=rf"~ which part of the frame (?:does|do) the {_WORD} (?:collectively )?leave from{_OPEN_END}",
    ),
    _Form(family="memory", options=LETTERS[:1], pattern=r"Touch the new image\. \(A\) @"),
    _Form(family="memory", options=LETTERS[:2], pattern=r"(?:Let's try more\. )?Touch the new image\. \(A\) @ \(B\) @"),
    _Form(
        family="memory",
        variant="published: pictures first",
        options=LETTERS[:1],
        pattern=r"~ (?:Let's try more\. )?~ Touch the new (?:image|animal)\. \(A\) the first image",
    ),
    _Form(
        family="memory",
        variant="published: pictures first",
        options=LETTERS[:2],
        pattern=r"~ (?:Let's try more\. )?~ Touch the new (?:image|animal)\. "
        r"\(A\) the first image \(B\) the second image",
    ),
    _Form(
        family="memory",
        variant="published: new animal",
        options=LETTERS[:1],
        pattern=r"Touch the new animal\. \(A\) @",
    ),
    _Form(
        family="memory",
        variant="published: new animal",
        options=LETTERS[:2],
        pattern=r"(?:Let's try more\. )?Touch the new animal\. \(A\) @ \(B\) @",
    ),
)


def recognise(prompt: str) -> Recognised | None:
    """What a published prompt asks; None where no published wording fits all of it.

    >>> recognise("<image> How many of cup do you see?").word
    'cup'
    >>> recognise("How are you?") is None
    True
    """
    for form in _FORMS:
        if (match := form.compiled.fullmatch(prompt)) is None:
            continue
        parts = match.groupdict()
        options = form.options
        if "first" in parts:
            options = tuple(" ".join(parts[name].replace("-", " ").split()) for name in ("first", "second"))
            if len(set(options)) < 2 or not set(options) <= set(DIRECTIONS):
                return None
        return Recognised(
            family=form.family, variant=form.variant, options=options, word=parts.get("word") or "", task=form.task
        )
    return None


_MARKED = re.compile(r"\(([A-D])\)")


def guess_options(prompt: str, task: str) -> tuple[str, ...]:
    """What may be answered to a prompt of no published wording, of a task that its file's name tells.

    Args:
        prompt: The wording.
        task: The task.

    Returns:
        The letters marked in the prompt, or what the task admits for numbers and directions; empty where that
        cannot be told.
    """
    spec = task_named(task)
    marked = tuple(sorted(set(_MARKED.findall(prompt))))
    if marked:
        return marked if marked == LETTERS[: len(marked)] else ()
    return () if spec.answers == "letter" else spec.options


def placeholders(prompt: str) -> int:
    """How many pictures a prompt has places for."""
    return prompt.count(IMAGE_TOKEN)
