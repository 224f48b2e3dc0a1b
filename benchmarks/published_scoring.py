"""`--scoring reference` equals an independent reading of the published definitions (claim: on 100,000 replies).

The oracle below was written from the definitions alone and shares no code with the package: it walks over characters
and words where the package uses regular expressions. Replies are random and adversarial: letters, digits, spelled
numbers and directions glued to each other and to punctuation, other scripts, blanks of many kinds, nothing at all.
"""

from __future__ import annotations

import datetime
import json
import random
import sys
from collections import Counter
from pathlib import Path

from babyvlm.records import Item, ItemTurn, Reply, Response
from babyvlm.toolbox import TASKS, score

REPLIES = 100_000
SPELLED = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
CLOCK = ["top", "top right", "right", "bottom right", "bottom", "bottom left", "left", "top left"]
PIECES = [
    *"ABCDEabcde0123456789.,:;!?()[]{}<>/\\'\"-_*`$ \t\n",
    "\u00a0", "\u200b", "\u2028", "é", "ß", "ſ", "İ", "答", "٣", "½", "Ⓐ",
    *SPELLED, *[word.title() for word in SPELLED], "eleven", "twelve", "twenty", *CLOCK, "Top Left", "TOP", "upper",
    "It is a cat", "answer", "The answer is ", "image", "not ", " or ", " and ", "12", "007", "3.5",
    "-4", "1st", "a1", "B_", "éA",
]  # fmt: skip


def words_with_places(text: str) -> list[tuple[int, str]]:
    """Runs of word characters (letters and digits of any script, and _), each with its place."""
    runs: list[tuple[int, str]] = []
    for place, character in enumerate(text):
        if not (character.isalnum() or character == "_"):
            continue
        if runs and runs[-1][0] + len(runs[-1][1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + character)
        else:
            runs.append((place, character))
    return runs


def oracle_letter(text: str) -> str | None:
    """The first stand-alone A, B, C or D, either case."""
    for _, run in words_with_places(text):
        if run in list("ABCDabcd"):
            return run.upper()
    return None


def oracle_number(text: str) -> str | None:
    """The first digits, else the first spelled number, which goes to ten."""
    start = next((place for place, character in enumerate(text) if character.isdecimal()), None)
    if start is not None:
        end = start
        while end < len(text) and text[end].isdecimal():
            end += 1
        return str(int(text[start:end]))
    # Case folding as regular expressions do it: the long s is an s, the dotted capital I an i.
    fold = str.maketrans({"ſ": "s", "İ": "i", "ı": "i"})
    for _, run in words_with_places(text):
        plain = run.translate(fold).lower()
        if plain in SPELLED:
            return str(SPELLED.index(plain))
    return None


def oracle_direction(text: str) -> str | None:
    """Exactly a direction, but for case and blanks around it."""
    plain = text.strip().lower()
    return plain if plain in CLOCK else None


def oracle_adjacent(gold: str, answer: str | None) -> bool:
    return answer in CLOCK and (CLOCK.index(gold) - CLOCK.index(str(answer))) % 8 in (0, 1, 7)


def oracle_memory(labels: list[list[str]], gold: list[str], replies: list[str]) -> dict[str, float]:
    """The three figures of one memory item, from its labels."""
    rounds = len(gold)
    base = (rounds + 1) // 3
    right = [oracle_letter(reply) == answer for reply, answer in zip(replies, gold, strict=True)]
    learned = [shown["AB".index(answer)] for shown, answer in zip(labels[:base], gold[:base], strict=True)]
    both = 0
    for thing in learned:
        tests = [right[number] for number in range(base, rounds) if thing in labels[number]]
        both += len(tests) == 2 and all(tests)
    return {
        "acc_learning": sum(right[:base]) / base,
        "acc_testing_raw": sum(right[base:]) / (rounds - base),
        "acc_testing_adjusted": both / base,
    }


def random_reply(rng: random.Random) -> str:
    return "".join(rng.choice(PIECES) for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 4, 6, 9])))


def single_item(task: str, gold: str, name: str) -> Item:
    spec = TASKS[task]
    turn = ItemTurn(prompt="?", images=(), options=spec.options, gold=gold)
    return Item(id=name, task=task, split="test", turns=(turn,), chance=spec.chance)


def memory_item(rng: random.Random, rounds: int, name: str) -> tuple[Item, list[list[str]], list[str]]:
    """A memory item: base objects learned in a chain, each tested twice beside a new one."""
    base = (rounds + 1) // 3
    labels, gold = [["o0"]], ["A"]
    old = [f"o{number}" for number in range(base - 1)]
    tests = [f"o{number}" for number in range(base)] * 2
    rng.shuffle(tests)
    chain = [(f"o{number + 1}", seen) for number, seen in enumerate(old)]
    for new, seen in chain + [(f"new{number}", seen) for number, seen in enumerate(tests)]:
        answer = rng.choice("AB")
        labels.append([new, seen] if answer == "A" else [seen, new])
        gold.append(answer)
    turns = tuple(
        ItemTurn(prompt="?", images=(), options=("A", "B")[: len(shown)], gold=answer, labels=tuple(shown))
        for shown, answer in zip(labels, gold, strict=True)
    )
    return Item(id=name, task="memory", split="test", turns=turns, chance=0.25), labels, gold


def differences(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Scores ``count`` replies both ways.

    Returns:
        Replies by kind, and every difference.
    """
    rng, asked, found = random.Random(seed), Counter[str](), []
    readers = {"letter": oracle_letter, "number": oracle_number, "direction": oracle_direction}
    names = [name for name in TASKS if name != "memory"]
    while sum(asked.values()) < count:
        name = rng.choice([*names, "memory"])
        spec = TASKS[name]
        if name == "memory":
            item, labels, gold = memory_item(rng, rng.choice([15, 15, 30]), "m")
            texts = [answer if rng.random() < 0.6 else random_reply(rng) for answer in gold]
            expected = oracle_memory(labels, gold, texts)
        else:
            item = single_item(name, rng.choice(spec.options), "i")
            texts = [random_reply(rng)]
            answer, right = readers[spec.answers](texts[0]), item.turns[0].gold
            expected = {spec.primary_metric: float(answer == right)}
            if spec.answers == "direction":
                expected["acc_adjacent"] = float(oracle_adjacent(right, answer))
        # An empty reply and a crash are the same there.
        replies = tuple(Reply(text=None if text == "" and rng.random() < 0.5 else text) for text in texts)
        metrics = score([item], [Response(item=item.id, replies=replies)], scoring="reference").tasks[0].metrics
        if any(abs(metrics[key] - value) > 1e-12 for key, value in expected.items()) or set(metrics) != set(expected):
            found.append(f"{name}: {texts!r}: ours {metrics}, oracle {expected}")
        asked[spec.answers if name != "memory" else "memory"] += len(texts)
    return asked, found


def main() -> None:
    asked, found = differences(REPLIES, seed=0)
    for line in found[:20]:
        print(line)
    result = {
        "date": str(datetime.date.today()),
        "replies": sum(asked.values()),
        "by_kind": dict(asked),
        "differences": len(found),
    }
    target = Path(__file__).parent / "results" / f"published_scoring-{result['date']}.json"
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{result['replies']} replies, {len(found)} differences; written to {target}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
