"""A small toolbox of drawn pictures, and a tiny untrained checkpoint that answers it."""

import numpy as np
import pytest
import torch
from PIL import Image

from babyvlm.folders import Manifest
from babyvlm.images import encode_jpeg
from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config, processor, train_tokenizer
from babyvlm.records import Item, ItemTurn, content_id, write_jsonl
from babyvlm.toolbox import open_toolbox
from tests.evaluation.hub_models import KINDS
from tests.evaluation.open_models import BASE_MODELS, DUAL_ENCODERS

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=2,
    text_heads=2, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=2048,
)  # fmt: skip


def item(task, turns, licence="CC0"):
    shown = [(turn.prompt, turn.images) for turn in turns]
    return Item(id=content_id(task, shown), task=task, split="test", turns=tuple(turns), chance=0.5, licence=licence)


@pytest.fixture(scope="session")
def toolbox(tmp_path_factory):
    """Four items of three tasks: 12 matching, 12 counting, 3 memory items of fifteen rounds."""
    folder = tmp_path_factory.mktemp("toolbox") / "built"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = []
    for number in range(40):
        cells = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8).repeat(12, 0).repeat(12, 1)
        names.append(f"{number:02d}.jpg")
        (folder / "images" / names[-1]).write_bytes(encode_jpeg(Image.fromarray(cells)))
    letters = ("A", "B", "C")
    prompt = "<image> Which of the following is the same as this? (A) <image> (B) <image> (C) <image>"
    items = []
    for number in range(12):
        options = [names[number], names[number + 1], names[number + 2]]
        gold = number % 3
        options[0], options[gold] = options[gold], options[0]
        shown = (names[number], *options)
        items.append(item("left_right", [ItemTurn(prompt=prompt, images=shown, options=letters, gold=letters[gold])]))
        count = ItemTurn(
            prompt="<image> How many of ball do you see?", images=(names[number + 20],), gold=str(number % 4 + 1),
            options=tuple(map(str, range(1, 13))),
        )  # fmt: skip
        items.append(item("object_counting", [count]))
    for number in range(3):
        fresh = names[number * 10 : number * 10 + 15]
        turns = [
            ItemTurn(
                prompt="Touch the new image. (A) <image>", images=(fresh[0],), options=("A",), gold="A", labels=("o0",)
            )
        ]
        for turn in range(1, 15):
            pair = (fresh[turn], fresh[(turn - 1) % 5]) if turn % 2 else (fresh[(turn - 1) % 5], fresh[turn])
            gold = "AB"[pair.index(fresh[turn])]
            turns.append(
                ItemTurn(
                    prompt="Let's try more. Touch the new image. (A) <image> (B) <image>",
                    images=pair,
                    gold=gold,
                    options=("A", "B"),
                    labels=tuple(f"o{fresh.index(name)}" for name in pair),
                )
            )
        items.append(item("memory", turns))
    items.sort(key=lambda entry: (entry.task, entry.id))
    write_jsonl(folder / "items.jsonl", items)
    counts = {task: sum(entry.task == task for entry in items) for task in {entry.task for entry in items}}
    Manifest(kind="toolbox", counts=counts).write(folder)
    return open_toolbox(folder)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """An untrained model with every part of a checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoint")
    texts = [
        "Touch the new image. (A) (B) Let's try more.",
        "Which of the following is the same as this? How many of ball do you see? USER: ASSISTANT: 1 2 3 A B C",
    ]
    torch.manual_seed(3)
    model = BabyLlavaForConditionalGeneration(model_config(SHAPE))
    for parameter in model.parameters():  # far enough from uniform that replies differ between items
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    processor(SHAPE, train_tokenizer(texts, 300, 2048)).save_pretrained(folder)
    Manifest(kind="checkpoint").write(folder)
    return folder


@pytest.fixture(scope="session")
def hub_model(tmp_path_factory):
    """The folder of a tiny model of the hub by its kind, saved when first asked for."""
    saved, kinds = {}, {**KINDS, **DUAL_ENCODERS, **BASE_MODELS}

    def folder(kind):
        if kind not in saved:
            saved[kind] = tmp_path_factory.mktemp(kind) / f"tiny-{kind}"
            kinds[kind](saved[kind])
        return saved[kind]

    return folder
