"""A drawn toolbox with a few items of every sub-task, and a participant who answers over real HTTP."""

from __future__ import annotations

import random
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image, ImageDraw

from babyvlm.folders import Manifest
from babyvlm.images import encode_jpeg
from babyvlm.records import Item, ItemTurn, content_id, write_jsonl
from babyvlm.study import ServeConfig, StudyConfig
from babyvlm.study.presentation import ATTENTION_OPTIONS
from babyvlm.study.server import study_app
from babyvlm.toolbox import TASKS, Toolbox, open_toolbox
from babyvlm.toolbox import tasks as prompts
from babyvlm.toolbox.directions import DIRECTIONS
from tests.pages import serving

PASSWORD, PIN = "a long password", "2468"
SHORT = StudyConfig(
    items_per_task=2, child_items_per_task=1, practice_per_task=1, lists=4, frame_ms=20, delay_ms=40,
    round_delay_ms=20, test_delay_ms=40, attention_every=6, break_every=12, speech="silent", gap_ms=60, reading_ms=5,
)  # fmt: skip
COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#b7950b", "#6c3483", "#34495e")
THINGS = ("cup", "ball", "shoe", "hat", "banana", "book")
PIXELS = 96


def draw(folder: Path, number: int) -> str:
    image = Image.new("RGB", (PIXELS, PIXELS), "#eef1f2")
    pen = ImageDraw.Draw(image)
    colour, at = COLOURS[number % 6], 8 + number % 5 * 6
    (pen.ellipse if number % 2 else pen.rectangle)((at, at, at + 50, at + 44), fill=colour)
    pen.text((4, PIXELS - 14), str(number), fill="#555555")
    name = f"{content_id('picture', number)}.jpg"
    (folder / "images" / name).write_bytes(encode_jpeg(image))
    return name


def turns_of(task: str, number: int, pictures: list[str]) -> list[ItemTurn]:
    thing = THINGS[number % len(THINGS)]
    spec = TASKS[task]

    def one(prompt, count, options, gold, labels=()):
        images = tuple(pictures[(number * 5 + place) % len(pictures)] for place in range(count))
        return ItemTurn(prompt=prompt, images=images, options=tuple(options), gold=gold, labels=tuple(labels))

    letter = spec.options[number % len(spec.options)]
    if task == "looking_while_listening":
        return [one(prompts.looking_while_listening_prompt(thing), 2, "AB", letter)]
    if task == "picture_vocabulary":
        return [one(prompts.picture_vocabulary_prompt(thing), 4, "ABCD", letter)]
    if task == "localization":
        return [one(prompts.localization_prompt(thing), 1, "ABCD", letter)]
    if task == "left_right":
        return [one(prompts.left_right_prompt(), 4, "ABC", letter)]
    if task == "spatial_details":
        return [one(prompts.spatial_details_prompt(), 4, "ABC", letter)]
    if task == "visual_delayed_response_binary":
        choices = ("left", "right") if number % 2 else ("top left", "bottom right")
        return [one(prompts.delayed_response_binary_prompt(thing, choices, 5), 5, choices, choices[number // 2 % 2])]
    if task == "visual_delayed_response_open":
        return [one(prompts.delayed_response_open_prompt(thing, 5), 5, DIRECTIONS, DIRECTIONS[number % 8])]
    if task in ("subitizing", "object_counting"):
        return [one(prompts.count_prompt(thing), 1, spec.options, letter)]
    if task == "who_has_more_synthetic":
        return [one(prompts.who_has_more_synthetic_prompt(thing), 2, "AB", letter)]
    if task == "who_has_more_naturalistic":
        return [one(prompts.who_has_more_naturalistic_prompt(thing), 2, "AB", letter)]
    rounds = [one(prompts.memory_prompt(0), 1, "A", "A", ["o0"])]
    for index in range(1, 15):
        old = index % 5 if index >= 5 else index - 1
        labels = (f"o{index}", f"o{old}") if (index + number) % 2 else (f"o{old}", f"o{index}")
        rounds.append(one(prompts.memory_prompt(index), 2, "AB", "AB"[labels.index(f"o{index}")], labels))
    return rounds


def build(folder: Path, *, items: int = 10, licence: str = "CC0") -> Toolbox:
    (folder / "images").mkdir(parents=True)
    pictures = [draw(folder, number) for number in range(24)]
    made = []
    for task, spec in TASKS.items():
        for number in range(3 if task == "memory" else items):
            made.append(
                Item(
                    id=content_id(task, number), task=task, split="test", turns=tuple(turns_of(task, number, pictures)),
                    chance=spec.chance, age_span_months=spec.age_span_months, category=THINGS[number % 6],
                    licence=licence,
                )
            )  # fmt: skip
    made.sort(key=lambda item: (item.task, item.id))
    write_jsonl(folder / "items.jsonl", made)
    Manifest(kind="toolbox").write(folder)
    return open_toolbox(folder)


class Taker:
    """A participant without a browser: the same requests, in the same order."""

    def __init__(self, base: str, token: str, **client: object) -> None:
        self.http = httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=20, **client)

    def open(self) -> dict:
        return self.post("/api/open", clock_resolution_ms=0.1, screen="800x600@1")

    def post(self, path: str, **body: object) -> dict:
        response = self.http.post(path, json=body)
        response.raise_for_status()
        return response.json()

    def begin(self, *, pin: str = "", age_months: float | None = None) -> dict:
        state = self.open()
        if state["phase"] == "gate":
            state = self.post("/api/gate", pin=pin)
        if state["phase"] == "consent":
            state = self.post("/api/consent", version=state["consent_version"], age_months=age_months)
        return state

    def answer(self, trial: dict, choice: int | None, **more: object) -> httpx.Response:
        sent = {
            "trial": trial["key"],
            "attempt": f"{random.getrandbits(96):024x}",
            "choice": choice,
            "pointer": "touch",
        }
        return self.http.post("/api/answer", json=sent | more)


def planned_choice(store, toolbox: Toolbox, code: str, position: int, right: bool) -> int:
    """The place to touch for a right, or a wrong, answer; taken from the database, as no participant could."""
    plan = store.shown_trial(code, position)
    if plan.kind == "attention":
        options, gold = ATTENTION_OPTIONS, ATTENTION_OPTIONS[plan.target]
    else:
        turn = next(item for item in toolbox.items if item.id == plan.item).turns[plan.turn]
        options, gold = turn.options, turn.gold
    place = options.index(gold)
    return place if right or len(options) == 1 else (place + 1) % len(options)


@contextmanager
def running(service, **serve):
    """Serves in a thread; yields the address."""
    config = ServeConfig(**serve)
    with serving(study_app(service, config), config.site) as address:
        yield address
