"""Generates speech: child-directed speech that grows with the child's age, and the child's own words.

About half of the utterances name something in view; the rest is routine, or about what is not there.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from babyvlm.corpus.nursery.configuration import NurseryConfig, RecordingPlan
from babyvlm.corpus.nursery.lexicon import CATEGORIES, copies
from babyvlm.corpus.nursery.scenes import Episode, Mention

_SHOW_SHARE = 0.92
"""Share of the objects held up that are named repeatedly until they are put down."""
_NAMES_SHARE = 0.35
"""Share of all other moments in which something in view is named."""
_SIMPLER_SHARE, _SIMPLER_AGAIN_SHARE = 0.25, 0.8
_ABSENT_SHARE = 0.3
_CHILD_SHARE = 0.12
_REPEAT_SHARE = 0.2
_SHORTEST_S, _LONGEST_S = 1.0, 3.0
_SPOKEN_OF_S = 1.5
"""A group that stays less long is gone before its number is said."""
_SHORTEST_GAP_S = 0.25
_SHORTEST_SHOWN_S = 0.8

_COUNTING = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_NO_SINGULAR = {"pants": "some pants", "scissors": "the scissors", "bread": "some bread", "cheese": "some cheese"}
_GOES = {
    "left": "to the left",
    "right": "to the right",
    "top": "up to the top",
    "bottom": "down to the bottom",
    "top left": "up to the top left",
    "top right": "up to the top right",
    "bottom left": "down to the bottom left",
    "bottom right": "down to the bottom right",
}

Forms = tuple[tuple[str, ...], ...]
"""One list for each stage of age: before 13 months, to 21 months, and after."""

_NAMING: Forms = (
    ("{it}", "{a}", "look {it}", "look {a}", "see the {it}", "{it} {it}", "oh {a}", "that's {a}", "hi {it}"),
    (
        "look at the {it}",
        "that's {a}",
        "do you see the {it}",
        "where is the {it}",
        "here is the {it}",
        "it's {a} look",
        "can you say {it}",
        "what is that it's {a}",
        "the {it} yes the {it}",
        "you like the {it}",
    ),
    (
        "can you show me the {it} sweetie",
        "look what i found it's {a}",
        "what does the {it} do",
        "this is {a} isn't it",
        "do you want to hold the {it}",
        "i think that's {a}",
        "where did the {it} come from",
        "that is a very nice {it}",
        "see the {it} it's right in front of you",
        "look at this {it} it's so pretty",
    ),
)
_GROUPING: Forms = (
    ("{them}", "look {them}", "so many {them}", "{n} {them}", "see the {them}"),
    ("look at the {them}", "{n} {them}", "{count} {them}", "how many {them}", "so many {them}", "i see {n} {them}"),
    (
        "how many {them} do you see",
        "let's count the {them} {count}",
        "there are {n} {them} here",
        "{count} {n} {them}",
        "can you count the {them} with me",
        "look we have {n} {them} now",
        "that's {n} {them}",
    ),
)
_LEAVING: Forms = (
    ("bye bye {it}", "there goes {it}", "{it} all gone", "where's {it} going", "up up {it}"),
    ("the {it} goes {where}", "bye bye {it}", "where is the {it} going", "there goes the {it}", "{it} goes {where}"),
    (
        "the {it} goes away {where}",
        "look the {it} is going {where}",
        "say bye bye to the {it}",
        "oh no where did the {it} go it went {where}",
        "there it goes the {it} is going {where}",
    ),
)
_LEAVING_TOGETHER: Forms = (
    ("bye bye {them}", "there go the {them}"),
    ("the {them} go {where}", "bye bye {them}"),
    ("all the {them} are going {where}", "look the {them} go away {where} together"),
)
_PLACING: Forms = (
    ("look {it}", "where's the {it}", "see the {it}", "there {it}"),
    (
        "where is the {it}",
        "the {it} is over there",
        "do you see the {it}",
        "find the {it}",
        "the {it} is at the {where}",
    ),
    (
        "can you find the {it}",
        "the {it} is at the {where} see",
        "who left the {it} there at the {where}",
        "look over there at the {where} it's the {it}",
        "show me where the {it} is",
    ),
)
_ROUTINE: Forms = (
    (
        "hi sweetie",
        "good morning",
        "are you hungry",
        "yes",
        "oh no",
        "there you go",
        "come here",
        "you're okay",
        "peekaboo",
        "yum yum",
        "what's the matter",
        "all done",
        "up we go",
        "hello baby",
        "good girl",
        "ready set go",
        "are you tired",
        "uh oh",
        "i love you",
        "let's go",
    ),
    (
        "come here sweetie",
        "are you hungry",
        "do you want some more",
        "let's wash your hands",
        "good job",
        "not now honey",
        "be gentle please",
        "what are you doing",
        "are you all done",
        "let's go outside",
        "wait a minute",
        "sit down please",
        "do you want to play",
        "give it to mommy",
        "that was so funny",
        "say thank you",
        "you are so big",
        "what happened",
        "time for a nap",
        "do it again",
        "oh you're so silly",
        "i'm coming",
    ),
    (
        "do you want to go outside later",
        "we have to wait for daddy",
        "let's clean up before dinner",
        "what should we do now",
        "you did that all by yourself",
        "be careful please",
        "grandma is coming tomorrow",
        "can you help me please",
        "what do you think about that",
        "it's almost time for your nap",
        "i don't know where it is",
        "did you have fun today",
        "we can read a story after this",
        "that's not very nice is it",
        "why don't you try it again",
        "you're being so helpful",
        "remember what we did yesterday",
        "let me just finish this first",
        "are you pretending",
        "tell me what happened",
    ),
)
_ABSENT: Forms = (
    ("where's the {it}", "no {it}", "no more {it}", "{it} later"),
    (
        "we left the {it} at home",
        "where did we put the {it}",
        "no {it} today",
        "you had the {it} before",
        "we don't have {a}",
    ),
    (
        "we left the {it} in the car yesterday",
        "tomorrow we'll look for the {it}",
        "do you remember the {it} at grandma's",
        "i don't know where your {it} is",
        "we can buy {a} at the store",
        "you were playing with the {it} this morning",
    ),
)
_BABBLE: Forms = (
    ("ba ba ba", "da da", "ma ma", "ah goo", "eh eh", "mm ba"),
    ("mama", "more", "uh oh", "no no", "da ba", "mine", "up"),
    ("i want that", "no mine", "more please", "look mommy", "i do it", "what's that"),
)
_CHILD_NAMING: Forms = (
    ("ba {it}",),
    ("{it}", "{it} {it}", "that {it}"),
    ("that's {a}", "my {it}", "i see the {it}", "more {it}"),
)


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """One utterance of a recording."""

    start_s: float
    end_s: float
    speaker: str
    text: str


def converse(config: NurseryConfig, plan: RecordingPlan, episodes: list[Episode]) -> list[Spoken]:
    """All utterances of a recording, in order, without overlap."""
    draw = random.Random(f"{config.seed}/{plan.id}/speech")
    stage = 0 if plan.age_months < 13 else 1 if plan.age_months < 21 else 2
    length_s = config.recording_frames / config.fps
    every_s = 60 / config.utterances_per_minute
    caregivers = draw.choices(("Mother", "Father", "Grandmother", "Grandfather"), (5, 3, 2, 1), k=2)
    mentions = [mention for episode in episodes for mention in episode.mentions if not _is_passing(mention)]
    things = copies(config, plan)
    shows = [mention for mention in mentions if mention.kind == "name" and draw.random() < _SHOW_SHARE]
    spoken: list[Spoken] = []
    now_s = first_s = draw.uniform(0.3, 1.5)
    last: Mention | None = None
    while now_s + _SHORTEST_S < length_s:
        in_view = [mention for mention in mentions if mention.start_s <= now_s + 0.7 <= mention.end_s]
        show = _shown(shows, now_s)
        by_child = show is None and draw.random() < _CHILD_SHARE
        if show is not None or (in_view and draw.random() < _NAMES_SHARE):
            before = last
            again = last if last in in_view and draw.random() < _REPEAT_SHARE else None
            last = show or again or draw.choice(in_view)
            text = _naming(draw, stage, last, by_child=by_child, again=last is before)
        elif not by_child and draw.random() < _ABSENT_SHARE:
            text = _filled(
                draw,
                draw.choice(_ABSENT[stage]),
                Mention(
                    start_s=0, end_s=0, kind="name", category=draw.choice(_absent(things, episodes, config.fps, now_s))
                ),
            )
        else:
            text = draw.choice(_BABBLE[stage] if by_child else _ROUTINE[stage])
        words = len(text.split())
        span_s = min(_LONGEST_S, max(_SHORTEST_S, 0.45 + words * draw.uniform(0.26, 0.36)))
        end_s = min(now_s + span_s, length_s - 0.05)
        coming = next((mention for mention in shows if mention.start_s > now_s), None)
        if show is None and coming is not None and coming.start_s < end_s:  # what is shown is spoken of at once
            now_s = coming.start_s
            continue
        speaker = "Child" if by_child else draw.choice((caregivers[0], *caregivers))
        spoken.append(Spoken(start_s=round(now_s, 3), end_s=round(end_s, 3), speaker=speaker, text=text))
        # A pause makes up for what was said too quickly, but there is none while something is shown.
        pause_s = max(first_s + len(spoken) * every_s - end_s, _SHORTEST_GAP_S) - _SHORTEST_GAP_S
        now_s = end_s + _SHORTEST_GAP_S
        if not _shown(shows, now_s):
            now_s += draw.uniform(0, 2 * pause_s)
            now_s = min([now_s, *(mention.start_s for mention in shows if mention.start_s > end_s + _SHORTEST_GAP_S)])
    return spoken


def _shown(shows: list[Mention], now_s: float) -> Mention | None:
    """What is being shown, if there is time to name it once more."""
    return next((show for show in shows if show.start_s <= now_s <= show.end_s - _SHORTEST_SHOWN_S), None)


def _absent(things: Sequence[str], episodes: list[Episode], fps: int, now_s: float) -> list[str]:
    """Categories that are not about just now, nor were a moment ago."""
    near = {
        prop.category
        for episode in episodes
        if -5 < now_s - episode.start_frame / fps < episode.num_frames / fps + 5
        for prop in episode.props
    }
    return [name for name in things if name not in near]


def _is_passing(mention: Mention) -> bool:
    """Whether it is a group laid out too briefly to be spoken of."""
    return mention.kind == "group" and mention.end_s - mention.start_s < _SPOKEN_OF_S


def _naming(draw: random.Random, stage: int, mention: Mention, *, by_child: bool, again: bool) -> str:
    if by_child:
        return _filled(draw, draw.choice(_CHILD_NAMING[stage]), mention)
    if mention.kind == "departure":
        forms = _LEAVING_TOGETHER if mention.number > 1 else _LEAVING
    elif mention.kind == "group":
        forms = _GROUPING if mention.number > 1 else _NAMING
    else:
        forms = _PLACING if mention.kind == "place" else _NAMING
    # As one speaks to a younger child: now and then, and more often when it has been named just before.
    level = max(0, stage - 1) if draw.random() < (_SIMPLER_AGAIN_SHARE if again else _SIMPLER_SHARE) else stage
    return _filled(draw, draw.choice(forms[level]), mention)


def _filled(draw: random.Random, form: str, mention: Mention) -> str:
    category = CATEGORIES[mention.category]
    name = category.plural if mention.kind == "group" and mention.number > 1 else category.name
    article = "an" if category.name[0] in "aeiou" else "a"
    count = " ".join(_COUNTING[: mention.number]) if mention.number <= 6 else "one two three four and more"
    return form.format(
        it=name,
        a=_NO_SINGULAR.get(category.name, f"{article} {category.name}"),
        them=category.plural,
        n=_COUNTING[mention.number - 1],
        count=count,
        where=_GOES.get(mention.where, mention.where) if mention.kind == "departure" else mention.where,
    )
