"""An audit finds planted leaks, and finds nothing in items whose answers are random."""

import json
import random
import shutil

import pytest
from PIL import Image

from babyvlm.audits import AuditConfig, audit_items, audit_toolbox, render_page
from babyvlm.audits.pictures import picture_facts
from babyvlm.audits.statistics import answer_balance, chance_of_as_much
from babyvlm.cli import main
from babyvlm.folders import Manifest
from babyvlm.records import Item, ItemTurn, content_id, write_jsonl
from babyvlm.toolbox import open_toolbox
from babyvlm.toolbox.tasks import TASKS, count_prompt, left_right_prompt, looking_while_listening_prompt


def one_turn(task, prompt, images, gold, split="test"):
    options = TASKS[task].options
    turn = ItemTurn(prompt=prompt, images=tuple(images), options=options, gold=gold)
    return Item(
        id=content_id(task, prompt, images, gold), task=task, split=split, turns=(turn,), chance=TASKS[task].chance
    )


def noise_picture(path, rng, *, level=None, quality=90):
    side = 24
    level = rng.randint(60, 200) if level is None else level
    pixels = bytes(min(255, max(0, level + rng.randint(-50, 50))) for _ in range(side * side * 3))
    Image.frombytes("RGB", (side, side), pixels).save(path, "JPEG", quality=quality)


def items_without_information(folder, rng, number=90):
    """Three sub-tasks whose pictures and answers have nothing to do with each other."""
    items = []
    for _ in range(number):
        names = [f"{rng.getrandbits(64):016x}.jpg" for _ in range(7)]
        for name in names:
            noise_picture(folder / name, rng)
        pair = looking_while_listening_prompt(rng.choice(("cup", "dog", "shoe")))
        items.append(one_turn("looking_while_listening", pair, names[:2], rng.choice("AB")))
        items.append(one_turn("left_right", left_right_prompt(), names[2:6], rng.choice("ABC")))
        things = rng.choice(("cups", "dogs"))
        items.append(one_turn("subitizing", count_prompt(things), names[6:], rng.choice("1234")))
    return items


@pytest.mark.slow
def test_nothing_is_found_in_random_answers(tmp_path):
    rng = random.Random(5)
    items = items_without_information(tmp_path, rng)
    facts = picture_facts({n for i in items for t in i.turns for n in t.images}, lambda name: tmp_path / name)
    found = 0
    for _ in range(12):  # the same pictures under ever new random answers
        shuffled = [
            item.model_copy(
                update={"turns": (item.turns[0].model_copy(update={"gold": rng.choice(item.turns[0].options)}),)}
            )
            for item in items
        ]
        rows = audit_items(shuffled, facts, AuditConfig(level=0.01))
        assert [row.row for row in rows] == ["looking_while_listening", "left_right", "subitizing"]
        found += sum(row.verdict != "clean" for row in rows)
    assert found <= 1  # family-wise level 0.01, twelve audits


@pytest.mark.parametrize("leak", ["extension", "quality", "brightness", "order", "words", "name"])
def test_a_planted_leak_is_found_and_named(tmp_path, leak):
    rng = random.Random(leak)
    named = {
        "extension": "attributes of files",
        "quality": "attributes of files",
        "brightness": "most brightness",
        "order": "order in the file",
        "words": "words of the prompt",
        "name": "attributes of files",
    }
    items = []
    for index in range(120):
        gold = rng.choice("AB") if leak != "order" else "AB"[index >= 60]
        names = []
        for letter in "AB":
            right = letter == gold
            stem = f"{rng.getrandbits(64):016x}"
            stem = f"{'target' if right else 'foil'}_{stem}" if leak == "name" else stem
            names.append(stem + (".jpeg" if leak == "extension" and not right else ".jpg"))
            level = 150 + 40 * right if leak == "brightness" else None
            noise_picture(tmp_path / names[-1], rng, level=level, quality=80 if leak == "quality" and right else 90)
        word = {"A": "cup", "B": "dog"}[gold] if leak == "words" else rng.choice(("cup", "dog"))
        items.append(one_turn("looking_while_listening", looking_while_listening_prompt(word), names, gold))
    facts = picture_facts({n for i in items for n in i.turns[0].images}, lambda name: tmp_path / name)
    (row,) = audit_items(items, facts, AuditConfig())
    assert row.verdict == "shortcut" and named[leak] in row.shortcuts
    if leak != "quality":  # which also shows in bytes
        assert row.strategies[0].strategy in (named[leak], "attributes of files")


def toolbox_of(folder, items):
    (folder / "images").mkdir(parents=True)
    rng = random.Random(1)
    for name in {name for item in items for name in item.turns[0].images}:
        noise_picture(folder / "images" / name, rng)
    write_jsonl(folder / "items.jsonl", items)
    Manifest(kind="toolbox").write(folder)
    return open_toolbox(folder)


def test_duplicates_within_between_splits_and_between_toolboxes(tmp_path):
    prompt = looking_while_listening_prompt("cup")
    items = [
        one_turn("looking_while_listening", prompt, ("a.jpg", "b.jpg"), "A"),
        one_turn("looking_while_listening", prompt, ("b.jpg", "a.jpg"), "B"),
        one_turn("looking_while_listening", prompt, ("c.jpg", "d.jpg"), "A", split="train"),
        one_turn("looking_while_listening", prompt, ("e.jpg", "f.jpg"), "A"),
    ]
    box = toolbox_of(tmp_path / "one", items)
    shutil.copy(box.image_path("a.jpg"), box.image_path("c.jpg"))  # a picture in both splits
    shutil.copy(box.image_path("e.jpg"), box.image_path("f.jpg"))  # an item with one picture twice
    other = toolbox_of(tmp_path / "two", items[:1])
    shutil.copy(box.image_path("a.jpg"), other.image_path("a.jpg"))
    shutil.copy(box.image_path("b.jpg"), other.image_path("b.jpg"))
    audit = audit_toolbox(box, against=[other])
    found = audit.duplicates
    assert (found.repeated_items, found.repeated_questions, found.same_bytes) == (0, 1, 2)
    assert found.alike_options == (items[3].id,)
    splits, toolboxes = found.elsewhere
    assert "train" in splits.elsewhere and splits.near_duplicates == 1
    assert (toolboxes.near_duplicates, toolboxes.repeated_items) == (3, 1)
    assert {row.verdict for row in audit.rows} == {"too few items"}
    page = render_page(audit)
    assert "too few items" in page and "http" not in page.split("</style>")[1]


def test_the_command_writes_both_files(tmp_path, capsys):
    prompt = looking_while_listening_prompt("cup")
    toolbox_of(tmp_path / "box", [one_turn("looking_while_listening", prompt, ("a.jpg", "b.jpg"), "A")])
    main(["toolbox", "audit", str(tmp_path / "box"), "--out", str(tmp_path / "audit")])
    assert "looking_while_listening" in capsys.readouterr().out
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["items"] == 1
    assert (tmp_path / "audit" / "audit.html").read_text().startswith("<!doctype html>")
    with pytest.raises(SystemExit):
        main(["toolbox", "audit", str(tmp_path / "nothing"), "--out", str(tmp_path / "again")])
    assert "no manifest.json" in capsys.readouterr().err


def test_balance_and_guessing_by_hand():
    even = [one_turn("looking_while_listening", f"{n}", ("a", "b"), "AB"[n % 2]) for n in range(40)]
    uneven = [one_turn("looking_while_listening", f"{n}", ("a", "b"), "A" if n < 32 else "B") for n in range(40)]
    assert answer_balance(even).p == 1 and answer_balance(even).counts == {"A": 20, "B": 20}
    assert answer_balance(uneven).chi_square == pytest.approx(14.4) and answer_balance(uneven).p < 0.002
    turns = [ItemTurn(prompt="?", images=(), options=(f"good {n}", f"bad {n}"), gold=f"good {n}") for n in range(40)]
    pairs = [even[0].model_copy(update={"task": "minimal_pairs", "turns": (turn,)}) for turn in turns]
    assert answer_balance(pairs).counts == {"place 1": 40, "place 2": 0} and answer_balance(pairs).p < 0.001
    assert chance_of_as_much(1.0, 3, 0.5) == pytest.approx(1 / 8)
    assert chance_of_as_much(0.5, 100.5, 0.5) == pytest.approx(0.5)
