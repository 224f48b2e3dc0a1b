"""What the benchmarks of evaluation ask and whom, drawn on the spot: toolboxes of noise, untrained checkpoints.

Neither says anything about accuracy; time, memory and counts do not depend on what a picture shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from babyvlm.folders import Manifest
from babyvlm.images import encode_jpeg
from babyvlm.records import Item, ItemTurn, content_id, write_jsonl

ROUNDS, BASE = 15, 5
WORDS = " A B C D 1 2 3 4 12 left right top bottom"
"""What drawn weights reply."""


def draw_pictures(folder: Path, number: int, side_px: int, seed: int = 0) -> list[str]:
    """Writes pictures of coloured cells into a toolbox folder and returns their names."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names = [f"{count:05d}.jpg" for count in range(number)]
    for name in names:
        cells = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8).repeat(side_px // 4, 0).repeat(side_px // 4, 1)
        (folder / "images" / name).write_bytes(encode_jpeg(Image.fromarray(cells)))
    return names


def memory_item(pictures: Sequence[str], mark: str = "") -> Item:
    """Fifteen rounds and 29 pictures: five objects learned, each tested twice.

    Args:
        pictures: Fifteen names; a round shows its own and, from the second on, an earlier one.
        mark: Put before each prompt; tells an item apart where only the prompt is seen.
    """
    turns = [_round(mark + "Touch the new image. (A) <image>", (pictures[0],), "A", ("o0",))]
    for number in range(1, ROUNDS):
        earlier = number - 1 if number < BASE else number % BASE
        pair = (pictures[earlier], pictures[number]) if number % 3 else (pictures[number], pictures[earlier])
        gold = "AB"[pair.index(pictures[number])]
        labels = tuple(f"o{pictures.index(name)}" for name in pair)
        turns.append(_round(mark + "Let's try more. Touch the new image. (A) <image> (B) <image>", pair, gold, labels))
    return _item("memory", turns)


def counting_item(number: int, picture: str, mark: str = "") -> Item:
    """One round and one picture."""
    turn = ItemTurn(
        prompt=f"{mark}<image> How many of thing {number} do you see?",
        images=(picture,),
        options=tuple(map(str, range(1, 13))),
        gold=str(number % 12 + 1),
    )
    return _item("object_counting", [turn])


def write_toolbox(folder: Path, items: Sequence[Item]) -> None:
    """Makes a toolbox of a folder that holds the pictures already."""
    write_jsonl(folder / "items.jsonl", items)
    Manifest(kind="toolbox", counts=dict(Counter(item.task for item in items))).write(folder)


def write_checkpoint(folder: Path, *, image_size: int, width: int, layers: int, context: int, seed: int = 0) -> None:
    """Writes a checkpoint of that shape whose weights are drawn; tower and language model are equally wide and deep.

    Every reply is one of ``WORDS`` and its end, as a trained model's are: text that is the same tokens when it is read
    again, and as many steps of writing.
    """
    import torch

    from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config, processor, train_tokenizer
    from babyvlm.model.tokenizer import EOS

    shape = ModelShape(
        image_size=image_size, vision_width=width, vision_layers=layers, vision_heads=4, text_width=width,
        text_layers=layers, text_heads=4, text_kv_heads=4, text_intermediate=width * 11 // 4, vocabulary=800,
        context=context,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = BabyLlavaForConditionalGeneration(model_config(shape))
    for parameter in model.parameters():  # far enough from uniform that replies differ between items
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.1)
    texts = ["USER: Touch the new image. (A) (B) ASSISTANT: A Let's try more.", "How many of thing 1 do you see?"]
    tokenizer = train_tokenizer([*texts, *[f"ASSISTANT:{WORDS}"] * 3], 800, context)
    words = tokenizer.encode(WORDS, add_special_tokens=False)
    with torch.no_grad():
        spoken = model.lm_head.weight[words].clone()
        model.lm_head.weight.zero_()
        model.lm_head.weight[words] = spoken
        # What the embedding of a word has, and no other token, is what the end looks for.
        marked = torch.nn.functional.normalize(torch.randn(width), dim=0)
        model.get_input_embeddings().weight[words] += 100 * marked
        model.lm_head.weight[EOS] = marked
    model.save_pretrained(folder)
    processor(shape, tokenizer).save_pretrained(folder)
    Manifest(kind="checkpoint").write(folder)


def _round(prompt: str, images: tuple[str, ...], gold: str, labels: tuple[str, ...]) -> ItemTurn:
    return ItemTurn(prompt=prompt, images=images, options=("A", "B")[: len(images)], gold=gold, labels=labels)


def _item(task: str, turns: Sequence[ItemTurn]) -> Item:
    shown = [(turn.prompt, turn.images) for turn in turns]
    return Item(
        id=content_id(task, shown), task=task, split="test", turns=tuple(turns), chance=0.25, licence="Apache-2.0"
    )
