"""Word-to-picture items on drawn pictures, and kept checkpoints that are nothing but their manifests."""

import numpy as np
from PIL import Image

from babyvlm.folders import Manifest
from babyvlm.heard import Heard, recording_hash
from babyvlm.records import Item, ItemTurn, Reply, Response, content_id, write_jsonl
from babyvlm.toolbox import open_toolbox

LETTERS = ("A", "B", "C", "D")
WORDS = ("ball", "cup", "dog", "duck")
ITEMS_PER_WORD = 4


def word_toolbox(folder):
    """Picture Vocabulary with four items of each of four words; a picture is noise of its own colour."""
    (folder / "images").mkdir(parents=True)
    draw, items = np.random.default_rng(0), []
    for number, word in enumerate(WORDS):
        cells = draw.integers(0, 60, (16, 16, 3), dtype=np.uint8) + np.array(
            [0, 60 * number, 180 - 60 * number], np.uint8
        )
        Image.fromarray(cells).resize((48, 48)).save(folder / "images" / f"{word}.png")
    for word in WORDS:
        for number in range(ITEMS_PER_WORD):
            shown = [*WORDS[number:], *WORDS[:number]]
            turn = ItemTurn(
                prompt=f"Touch '{word}'. (A) <image> (B) <image> (C) <image> (D) <image>",
                images=tuple(f"{each}.png" for each in shown), options=LETTERS, gold=LETTERS[shown.index(word)],
            )  # fmt: skip
            name = content_id(word, number)
            about = {"task": "picture_vocabulary", "split": "test", "chance": 0.25, "category": word, "licence": "CC0"}
            items.append(Item(id=name, turns=(turn,), **about))
    items.sort(key=lambda item: item.id)
    write_jsonl(folder / "items.jsonl", items)
    Manifest(kind="toolbox", counts={"picture_vocabulary": len(items)}).write(folder)
    return open_toolbox(folder)


class KnowsSome:
    """Answers items of the words that it knows, and is wrong on all others."""

    sends_data_out = False
    family = "baby model"

    def __init__(self, name, items, words):
        self.name, self.words = name, words
        self._items = {item.id: item for item in items}

    def answer(self, questions, images):
        for question in questions:
            turn = self._items[question.id].turns[0]
            wrong = next(option for option in turn.options if option != turn.gold)
            knows = self._items[question.id].category in self.words
            yield Response(item=question.id, replies=(Reply(text=turn.gold if knows else wrong),))


def kept(run, stage, mark, words, ages, *, step, order="chronological"):
    """A kept checkpoint without weights, of recordings of some ages."""
    folder = run / "ladder" / stage / mark
    folder.mkdir(parents=True)
    heard = Heard(
        mark=mark, stage=stage, step=step, order=order, words=words, words_of_stage=10_000, different_words=words,
        samples=words, different_samples=words, samples_of_unknown_recordings=0,
        recordings={recording_hash(f"r{age}"): age for age in ages}, ages_months=(min(ages), max(ages)),
        earlier_stages=("vision",), oldest_of_set_months=30.0,
    )  # fmt: skip
    configuration = {"stage": stage, "recipe": "tiny", "heard": heard.model_dump(mode="json")}
    Manifest(kind="checkpoint", configuration=configuration).write(folder)
    return heard
