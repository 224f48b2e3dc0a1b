"""The ten tasks of the DevCV Toolbox, in twelve sub-tasks: measure, prompt, and chance level of each.

Every sub-task descends from a measure of the NIH Baby Toolbox. Prompts are the first published variant of each, word
for word, except where a DEVIATION is marked.

Another package may add sub-tasks (``docs/extending.md``). They are built, asked and scored like these, in rows of their
own: no mean over the published sub-tasks counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from babyvlm.errors import ConfigError
from babyvlm.plurals import plural
from babyvlm.records import IMAGE_TOKEN
from babyvlm.registry import Registry
from babyvlm.toolbox.directions import DIRECTIONS, is_corner

if TYPE_CHECKING:
    from babyvlm.toolbox.builders.bench import Builder

AnswerKind = Literal["letter", "number", "direction", "text"]
"""``text``: one of the round's options, word for word."""
Domain = Literal["language", "executive function and memory", "math"]

LETTERS = ("A", "B", "C", "D")
QUADRANTS = ("top left", "top right", "bottom left", "bottom right")
"""The quadrants of a localization item, in the order of their letters."""
MEMORY_BASE = 5
"""Objects learned in a memory item; each is tested twice, in 3 x base rounds."""

# The published benchmark gives no months for these; this is the span of the NIH Baby Toolbox as a whole.
_TOOLBOX_SPAN = (1.0, 42.0)


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One sub-task."""

    name: str
    """Our name, as in `Item.task`."""
    title: str
    """The name in tables and figures."""
    leaderboard_key: str = ""
    """Its key in the public leaderboard's scores file; empty for a sub-task that the leaderboard does not have."""
    measure: str
    """The NIH Baby Toolbox measure it descends from, or the study a task of another package comes from."""
    age_span_months: tuple[float, float | None]
    """Ages the measure is given at; None for no upper end."""
    domain: Domain
    chance: float
    """Expected value of `primary_metric` under uniform guessing."""
    answers: AnswerKind
    """How a reply is to be read."""
    options: tuple[str, ...]
    """Every answer that some item of the task admits; empty for ``text``, where each round has its own."""
    primary_metric: str = "acc"
    """The metric that counts in the overall mean."""
    held_out: bool = False
    """Whether instruction tuning leaves it out, as a probe of generalisation (paper)."""
    published_training_items: int = 0
    """Size of its part of the published instruction set; 0 for a held-out task."""
    by_word: bool = False
    """Whether its figure is the mean over words (`Item.category`), each of which counts once, not over items."""
    battery: str = ""
    """The battery its items are imported from, where none are built."""
    builder: Builder | None = None
    """How another package's items are built from boxes; the twelve have theirs in `babyvlm.toolbox.builders`."""

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or not self.title:
            raise ConfigError(f"task {self.name!r}: a name of letters, digits and _ is needed, and a title")
        if not 0 <= self.chance < 1:
            raise ConfigError(f"task {self.name!r}: chance={self.chance} must be in [0, 1)")
        if bool(self.options) == (self.answers == "text"):
            raise ConfigError(f"task {self.name!r}: options={self.options}: none for answers in text, else some")
        if self.answers == "letter" and not set(self.options) <= set(LETTERS):
            raise ConfigError(f"task {self.name!r}: options={self.options}: letters are of {', '.join(LETTERS)}")


_ALL = (
    TaskSpec(
        name="looking_while_listening",
        title="Looking While Listening",
        leaderboard_key="baby_winoground",
        measure="Looking While Listening",
        age_span_months=(6, 24),
        domain="language",
        chance=1 / 2,
        answers="letter",
        options=LETTERS[:2],
        held_out=True,
    ),
    TaskSpec(
        name="picture_vocabulary",
        title="Picture Vocabulary",
        leaderboard_key="baby_pv",
        measure="Picture Vocabulary",
        age_span_months=(25, None),
        domain="language",
        chance=1 / 4,
        answers="letter",
        options=LETTERS,
        published_training_items=22426,
    ),
    TaskSpec(
        name="localization",
        title="Localization",
        leaderboard_key="baby_localize",
        measure="Mullen Receptive Language #19",
        age_span_months=(1, 42),
        domain="language",
        chance=1 / 4,
        answers="letter",
        options=LETTERS,
        published_training_items=12250,
    ),
    TaskSpec(
        name="left_right",
        title="Left/Right",
        leaderboard_key="baby_leftright",
        measure="Mullen Visual Reception",
        age_span_months=_TOOLBOX_SPAN,
        domain="executive function and memory",
        chance=1 / 3,
        answers="letter",
        options=LETTERS[:3],
        published_training_items=12250,
    ),
    TaskSpec(
        name="spatial_details",
        title="Spatial Details",
        leaderboard_key="baby_spatialdetails",
        measure="Mullen Visual Reception",
        age_span_months=_TOOLBOX_SPAN,
        domain="executive function and memory",
        chance=1 / 3,
        answers="letter",
        options=LETTERS[:3],
        published_training_items=11818,
    ),
    TaskSpec(
        name="visual_delayed_response_binary",
        title="Visual Delayed Response (binary)",
        leaderboard_key="baby_vdr_binary",
        measure="Visual Delayed Response",
        age_span_months=(22, 42),
        domain="executive function and memory",
        chance=1 / 2,
        answers="direction",
        options=DIRECTIONS,
        primary_metric="acc_exact",
        published_training_items=2584,
    ),
    TaskSpec(
        name="visual_delayed_response_open",
        title="Visual Delayed Response (open)",
        leaderboard_key="baby_vdr_open",
        measure="Visual Delayed Response",
        age_span_months=(22, 42),
        domain="executive function and memory",
        chance=1 / 8,
        answers="direction",
        options=DIRECTIONS,
        primary_metric="acc_exact",
        published_training_items=2584,
    ),
    TaskSpec(
        name="memory",
        title="Memory",
        leaderboard_key="baby_memory",
        measure="Memory Task Learning and Test",
        age_span_months=_TOOLBOX_SPAN,
        domain="executive function and memory",
        chance=1 / 4,  # both of an object's two test rounds must be right
        answers="letter",
        options=LETTERS[:2],
        primary_metric="acc_testing_adjusted",
        published_training_items=12000,
    ),
    TaskSpec(
        name="who_has_more_synthetic",
        title="Who Has More (synthetic)",
        leaderboard_key="baby_compare_synthetic",
        measure="Who Has More",
        age_span_months=_TOOLBOX_SPAN,
        domain="math",
        chance=1 / 2,
        answers="letter",
        options=LETTERS[:2],
        published_training_items=11200,
    ),
    TaskSpec(
        name="who_has_more_naturalistic",
        title="Who Has More (naturalistic)",
        leaderboard_key="baby_compare_real",
        measure="Who Has More",
        age_span_months=_TOOLBOX_SPAN,
        domain="math",
        chance=1 / 2,
        answers="letter",
        options=LETTERS[:2],
        published_training_items=12404,
    ),
    TaskSpec(
        name="subitizing",
        title="Subitizing",
        leaderboard_key="baby_subitize",
        measure="Subitizing",
        age_span_months=_TOOLBOX_SPAN,
        domain="math",
        chance=1 / 4,
        answers="number",
        options=tuple(str(number) for number in range(1, 5)),
        held_out=True,
    ),
    TaskSpec(
        name="object_counting",
        title="Object Counting",
        leaderboard_key="baby_count",
        measure="Object Counting",
        age_span_months=_TOOLBOX_SPAN,
        domain="math",
        chance=1 / 12,
        answers="number",
        options=tuple(str(number) for number in range(1, 13)),
        published_training_items=13695,
    ),
)

TASKS: dict[str, TaskSpec] = {spec.name: spec for spec in _ALL}
"""The twelve sub-tasks by name, in the order of tables."""


def _check(name: str, found: object) -> str:
    if not isinstance(found, TaskSpec):
        return f"it is a {type(found).__name__}, where a TaskSpec belongs"
    if found.name != name:
        return f"its name is {found.name!r}; the entry point must have the same"
    made = found.builder is not None or found.battery
    return "" if made else "it has no builder, so that no item of it can be built, and no battery to import it from"


CAPTION_TASKS = (
    "contrast_subject_verb", "contrast_subject_adjective", "contrast_negation", "contrast_word_order",
    "contrast_prepositions", "contrast_comparatives", "contrast_counting", "contrast_embedded_relative",
)  # fmt: skip
"""Sub-tasks whose items each ask which of two captions is true of a picture."""
BATTERY_TASKS = (
    "devbench_looking", "devbench_vocabulary", "devbench_grammar", "word_pictures", "minimal_pairs", "contrast_nouns",
    "contrast_adjectives", *CAPTION_TASKS,
)  # fmt: skip
"""Sub-tasks whose items are imported from batteries of other benchmarks, and which stand outside the twelve."""
WORD_TASKS = (
    "picture_vocabulary",
    "looking_while_listening",
    "word_pictures",
    "devbench_looking",
    "devbench_vocabulary",
)
"""Sub-tasks whose items each ask for one word among pictures."""

REGISTRY: Registry[TaskSpec] = Registry(
    "babyvlm.tasks",
    {**TASKS, **{name: f"babyvlm.toolbox.battery_tasks:{name.upper()}" for name in BATTERY_TASKS}},
    _check,
)
"""The twelve, those of batteries, and those of other packages."""

Variant = Literal["published", "hard"]
"""Which items of a sub-task: in the published style, or built so that shortcuts fall to chance."""
HARD_TASKS = (
    "left_right",
    "spatial_details",
    "memory",
    "who_has_more_synthetic",
    "subitizing",
    "object_counting",
)
"""The sub-tasks that have a hard variant."""
EASY_TASKS = ("picture_vocabulary", "left_right", "spatial_details", "memory")
"""The sub-tasks that have an easy variant: for training alone, to lead up to them."""


def counted_as(task: str, options: Sequence[str], answer: str) -> str:
    """What an answer is counted under: itself, or its place where an item has texts of its own to choose from.

    >>> counted_as("minimal_pairs", ("a dog barks", "a dog bark"), "a dog bark"), counted_as("memory", ("A", "B"), "B")
    ('place 2', 'B')
    """
    return f"place {options.index(answer) + 1}" if task_named(task).answers == "text" else answer


def row_name(task: str, variant: str) -> str:
    """The row of tables and scores that an item counts in: variants other than the published have their own.

    >>> row_name("memory", "published"), row_name("memory", "hard")
    ('memory', 'memory.hard')
    """
    return f"{task}.{variant}" if variant in ("hard", "easy") else task


ROWS = (*TASKS, *(row_name(task, "hard") for task in TASKS if task in HARD_TASKS))
"""Every row that scores may have, in the order of tables: the twelve sub-tasks, then the hard variants."""
EASY_ROWS = tuple(row_name(task, "easy") for task in EASY_TASKS)
"""Rows that only an instruction set may have."""


def is_hard(row: str) -> bool:
    """Whether a row is a hard variant."""
    return row.endswith(".hard")


def is_extra(row: str) -> bool:
    """Whether a row is a hard variant, of a battery or of another package: it counts in no overall mean."""
    return row not in TASKS


def in_table_order(rows: Iterable[str]) -> tuple[str, ...]:
    """Rows as tables have them: the twelve, hard variants, easy ones, then those of other packages by name.

    >>> in_table_order(["zebra", "memory.hard", "memory", "antelope", "localization"])
    ('localization', 'memory', 'memory.hard', 'antelope', 'zebra')
    """
    there = set(rows)
    known = tuple(row for row in (*ROWS, *EASY_ROWS) if row in there)
    return (*known, *sorted(there - set(known)))


def all_rows() -> tuple[str, ...]:
    """Every row that scores may have, those of other packages too."""
    return (*ROWS, *(name for name in REGISTRY.names() if name not in TASKS))


def task_named(name: str) -> TaskSpec:
    """The sub-task of this name.

    Raises:
        ConfigError: There is none; the nearest name is suggested.
        ExtensionError: It is of another package, and does not load.
    """
    return REGISTRY.get(name)


def task_of_row(row: str) -> TaskSpec:
    """The sub-task that a row is of.

    Raises:
        ConfigError: There is none.
        ExtensionError: It is of another package, and does not load.
    """
    return task_named(row.removesuffix(".hard"))


def row_title(row: str) -> str:
    """A row's name in words.

    >>> row_title("memory.hard")
    'Memory, hard'
    """
    return task_of_row(row).title + (", hard" if is_hard(row) else "")


def count_prompt(thing: str) -> str:
    """Object Counting and Subitizing."""
    return f"{IMAGE_TOKEN} How many {plural(thing)} do you see?"


def who_has_more_naturalistic_prompt(thing: str) -> str:
    return f"Which image has more {plural(thing)}? (A) {IMAGE_TOKEN} (B) {IMAGE_TOKEN}"


def who_has_more_synthetic_prompt(thing: str) -> str:
    return f"Which image has more {plural(thing)}? Answer (A) {IMAGE_TOKEN} (B) {IMAGE_TOKEN}"


def localization_prompt(thing: str) -> str:
    return (
        f"{IMAGE_TOKEN} Point at the {thing}. "
        "Is it in the (A) top left or (B) top right or (C) bottom left or (D) bottom right of the image?"
    )


def left_right_prompt(options: int = 3) -> str:
    """Three pictures to choose from as published, or two."""
    choices = " ".join(f"({letter}) {IMAGE_TOKEN}" for letter in LETTERS[:options])
    return f"{IMAGE_TOKEN} Which of the following is the same as this? {choices}"


def spatial_details_prompt() -> str:
    return (
        f"{IMAGE_TOKEN} Which of the following contains exactly this object? "
        f"(A) {IMAGE_TOKEN} (B) {IMAGE_TOKEN} (C) {IMAGE_TOKEN}. Pay attention to details and give only a letter A-C."
    )


def picture_vocabulary_prompt(word: str) -> str:
    # DEVIATION: the published variant with each image beside its letter, which is not the first one listed (that one
    # leads with four images and then names them in words). Letter and picture standing together is what models and
    # people are shown in every other task.
    return f"Touch the image of '{word}' (A){IMAGE_TOKEN} (B){IMAGE_TOKEN} (C){IMAGE_TOKEN} (D){IMAGE_TOKEN}"


def looking_while_listening_prompt(word: str) -> str:
    # DEVIATION: no prompt is published for this task (the leaderboard scores it by likelihood); this is the two-option
    # form of Picture Vocabulary.
    return f"Touch the image of '{word}' (A){IMAGE_TOKEN} (B){IMAGE_TOKEN}"


def delayed_response_binary_prompt(
    thing: str, choices: Sequence[str], num_frames: int, *, several: bool = False
) -> str:
    """Visual Delayed Response with two directions to choose from, which are both sides or both corners.

    Args:
        thing: What leaves, in the singular.
        choices: The two directions.
        num_frames: Frames shown.
        several: Whether several of them leave together.
    """
    first, second = choices
    part = "corner" if is_corner(first) else "side"
    leaves = f"do the {plural(thing)} collectively leave" if several else f"does the {thing} leave"
    return (
        f"{IMAGE_TOKEN * num_frames} {leaves} the frame through the {first} {part} of the frame "
        f"or the {second} {part} of the frame? respond ONLY with '{first}' or '{second}'."
    )


def delayed_response_open_prompt(thing: str, num_frames: int, *, several: bool = False) -> str:
    leaves = f"do the {plural(thing)} collectively leave" if several else f"does the {thing} leave"
    return (
        f"{IMAGE_TOKEN * num_frames} which part of the frame {leaves} from? respond ONLY with one of: "
        "'top', 'bottom', 'left', 'right', 'top right', 'top left', 'bottom right', or 'bottom left'."
    )


def memory_prompt(round_index: int) -> str:
    """Memory, round 0 with one image and every later round with two."""
    if round_index == 0:
        return f"Touch the new image. (A) {IMAGE_TOKEN}"
    return f"Let's try more. Touch the new image. (A) {IMAGE_TOKEN} (B) {IMAGE_TOKEN}"
