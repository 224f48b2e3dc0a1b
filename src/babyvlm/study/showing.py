"""What participants see and hear: a planned trial in, its presentation, pictures and recordings out.

The trials that are being looked at are kept at hand, so that a picture asks neither the database nor the disk.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from threading import Lock
from typing import get_args

from babyvlm.records import Item
from babyvlm.regular_files import read_regular
from babyvlm.study.access import token_hash, trial_key
from babyvlm.study.configuration import StudyConfig
from babyvlm.study.design import PlannedTrial
from babyvlm.study.notes import RefusedError
from babyvlm.study.presentation import (
    ATTENTION_OPTIONS,
    Presentation,
    attention_picture,
    bare_jpeg,
    present,
    present_attention,
)
from babyvlm.study.records import Moment, Participant, ShownTrial
from babyvlm.study.store import Store
from babyvlm.study.voices import Voices
from babyvlm.toolbox import Toolbox

_MOMENTS: tuple[Moment, ...] = get_args(Moment)
_PICTURES_KEPT = 2048
_TRIALS_AT_HAND = 4096


@dataclass(frozen=True)
class _AtHand:
    """A trial that is being looked at."""

    who: Participant
    plan: PlannedTrial

    def belongs_to(self, token: str, browser: str) -> bool:
        return self.who.link_hash == token_hash(token) and self.who.browser_hash == token_hash(browser)


class Showing:
    """The items of a study that is being served.

    Args:
        store: Its database.
        toolbox: Its items.
        voices: Recorded prompts.
    """

    def __init__(self, store: Store, toolbox: Toolbox, voices: Voices) -> None:
        self._store, self._toolbox, self._voices = store, toolbox, voices
        self._config: StudyConfig = store.config
        self._items: dict[str, Item] = {item.id: item for item in toolbox.items}
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._at_hand: OrderedDict[str, _AtHand] = OrderedDict()
        self._lock = Lock()

    def trial(self, found: Participant, plan: PlannedTrial) -> ShownTrial:
        """A trial as the browser gets it, from now on at hand."""
        show = self._presentation(plan)
        key = trial_key(self._store.row.secret, found.code, plan.position)
        with self._lock:
            self._at_hand[key] = _AtHand(found.model_copy(update={"position": plan.position}), plan)
            if len(self._at_hand) > _TRIALS_AT_HAND:
                self._at_hand.popitem(last=False)
        return ShownTrial(
            key=key,
            practice=plan.kind == "practice",
            break_before=plan.break_before,
            number=plan.position + 1,
            of=found.planned,
            same_item=plan.turn > 0,
            show=show,
            voices=tuple(moment for moment in _MOMENTS if self._voices.hold(getattr(show, moment))),
        )

    def _presentation(self, plan: PlannedTrial) -> Presentation:
        if plan.kind == "attention":
            return present_attention(self._config)
        return present(self._items[plan.item], plan.turn, self._config)

    def options(self, plan: PlannedTrial) -> tuple[str, ...]:
        """What can be answered."""
        return ATTENTION_OPTIONS if plan.kind == "attention" else self._items[plan.item].turns[plan.turn].options

    def gold(self, plan: PlannedTrial) -> str:
        """The right answer to a trial that is no attention check."""
        return self._items[plan.item].turns[plan.turn].gold

    def put_away(self, key: str) -> None:
        """A trial is answered."""
        with self._lock:
            self._at_hand.pop(key, None)

    def forget(self, codes: Collection[str]) -> None:
        """Nothing of these participants is at hand any more; who they are is asked again."""
        with self._lock:
            for key in [key for key, trial in self._at_hand.items() if trial.who.code in codes]:
                del self._at_hand[key]

    def looking_at(self, token: str, browser: str, key: str) -> Participant | None:
        """Who is looking at a trial, where no database need be asked: whose it is, in their browser."""
        trial = self._looked_at(token, browser, key)
        return None if trial is None else trial.who

    def picture_at_hand(self, token: str, browser: str, key: str, number: int) -> bytes | None:
        """A picture, where neither database nor disk need be asked: of the trial being looked at, in its browser."""
        trial = self._looked_at(token, browser, key)
        if trial is None:
            return None
        names = self._names(trial.plan)
        kept = 0 <= number < len(names) and (trial.plan.kind == "attention" or names[number] in self._pictures)
        return self._picture(trial.who, trial.plan, number) if kept else None

    def _looked_at(self, token: str, browser: str, key: str) -> _AtHand | None:
        trial = self._at_hand.get(key)
        return trial if trial is not None and trial.belongs_to(token, browser) else None

    def picture(self, found: Participant, key: str, number: int) -> bytes:
        """A picture of the trial that is shown, as JPEG.

        Raises:
            RefusedError: Not the trial shown, or no such picture.
        """
        return self._picture(found, self._present_trial(found, key), number)

    def _picture(self, found: Participant, plan: PlannedTrial, number: int) -> bytes:
        names = self._names(plan)
        if not 0 <= number < len(names):
            raise RefusedError(404, "There is no such picture.", "bad request", f"picture {number}", found.code)
        if plan.kind == "attention":
            return attention_picture(number == plan.target)
        return self._jpeg(names[number])

    def _names(self, plan: PlannedTrial) -> tuple[str, ...]:
        return ATTENTION_OPTIONS if plan.kind == "attention" else self._items[plan.item].turns[plan.turn].images

    def voice(self, found: Participant, key: str, moment: Moment) -> tuple[bytes, str]:
        """A recorded prompt of the trial that is shown, and its media type.

        Raises:
            RefusedError: Not the trial shown, or nothing recorded.
        """
        sentence: str = getattr(self._presentation(self._present_trial(found, key)), moment)
        recording = self._voices.recording(sentence)
        if recording is None:
            raise RefusedError(404, "There is no recording.", "bad request", f"voice of {sentence!r}", found.code)
        return recording

    def _present_trial(self, found: Participant, key: str) -> PlannedTrial:
        if key == trial_key(self._store.row.secret, found.code, found.position):
            plan = self._store.shown_trial(found.code, found.position)
            if plan is not None:
                return plan
        raise RefusedError(404, "This picture is not shown now.", "not shown", "a picture", found.code)

    def _jpeg(self, name: str) -> bytes:
        with self._lock:
            if name in self._pictures:
                self._pictures.move_to_end(name)
                return self._pictures[name]
        data = bare_jpeg(read_regular(self._toolbox.image_path(name)))
        with self._lock:
            self._pictures[name] = data
            if len(self._pictures) > _PICTURES_KEPT:
                self._pictures.popitem(last=False)
        return data
