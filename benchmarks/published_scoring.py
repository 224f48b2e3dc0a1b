"""`--scoring reference` and `leaderboard` equal an independent reading of the published scoring (on 100,000 replies).

The oracle below shares no code with the package. It was written from the regular expressions and comparisons that the
published scoring is made of: which characters make a token, which token counts, what is stripped and what is not.
Replies are random and adversarial: letters, digits, spelled numbers and directions glued to each other and to
punctuation, other scripts, blanks of many kinds, nothing at all, and errors.
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
HIDING = "delayed response by letter"
SPELLED = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
CLOCK = ["top", "top right", "right", "bottom right", "bottom", "bottom left", "left", "top left"]
PIECES = [
    *"ABCDEabcde0123456789.,:;!?()[]{}<>/\\'\"-_*`$ \t\n",
    "\u00a0", "\u200b", "\u2028", "é", "ß", "ſ", "İ", "答", "٣", "½", "Ⓐ",
    *SPELLED, *[word.title() for word in SPELLED], "eleven", "twelve", "twenty", *CLOCK, "Top Left", "TOP", "upper",
    "It is a cat", "answer", "The answer is ", "image", "not ", " or ", " and ", "12", "007", "3.5",
    "-4", "1st", "a1", "B_", "éA", " right", "top\n", "ten4", "two_", "two答", "答four",
    "Four. One is behind the 2nd box.", "two or 3", "1 image, five cups",
    "A", "B", "b",
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
    """The first token of the lower-cased reply that is a number: digits, or a word for zero to ten.

    A token is a run of decimal digits, of any script, or a run of the letters a to z. So `ten4` is ten and then four,
    and `_` or a letter of another script ends a word.
    """
    tokens: list[str] = []
    kind_before = ""
    for character in text.lower():
        kind = "digit" if character.isdecimal() else "letter" if "a" <= character <= "z" else ""
        if kind and kind == kind_before:
            tokens[-1] += character
        elif kind:
            tokens.append(character)
        kind_before = kind
    for token in tokens:
        if token[0].isdecimal():
            return str(int(token))
        if token in SPELLED:
            return str(SPELLED.index(token))
    return None


def oracle_direction(text: str) -> str | None:
    """Exactly a direction, but for case; blanks around it count."""
    return text.lower() if text.lower() in CLOCK else None


def oracle_adjacent(gold: str, answer: str | None) -> bool:
    return answer in CLOCK and (CLOCK.index(gold) - CLOCK.index(str(answer))) % 8 in (0, 1, 7)


def oracle_hiding(text: str, gold: str) -> dict[str, float]:
    """Items of Delayed Response that ask for a letter: whole strings are compared, and nothing is adjacent."""
    return {"acc_exact": float(text.lower() == gold.lower()), "acc_adjacent": 0.0}


def oracle_memory(labels: list[list[str]], gold: list[str], replies: list[str]) -> dict[str, float]:
    """The three figures of one memory item, from its labels."""
    rounds = len(gold)
    base = (rounds + 1) // 3
    right = [oracle_letter(reply) == answer for reply, answer in zip(replies, gold, strict=True)]
    tests: dict[str, list[bool]] = {}
    for number in range(base, rounds):
        for thing in labels[number]:
            if any(thing in shown for shown in labels[:base]):
                tests.setdefault(thing, []).append(right[number])
    both = sum(len(of_thing) == 2 and all(of_thing) for of_thing in tests.values())
    return {
        "acc_learning": sum(right[:base]) / base,
        "acc_testing_raw": sum(right[base:]) / (rounds - base),
        "acc_testing_adjusted": both / base,
    }


def random_reply(rng: random.Random) -> str:
    return "".join(rng.choice(PIECES) for _ in range(rng.choice([0, 1, 1, 1, 2, 3, 4, 6, 9])))


def single_item(task: str, gold: str, name: str, options: tuple[str, ...] = ()) -> Item:
    spec = TASKS[task]
    turn = ItemTurn(prompt="?", images=(), options=options or spec.options, gold=gold)
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


def drawn_item(rng: random.Random) -> tuple[str, Item, list[str], dict[str, float]]:
    """An item with replies.

    Returns:
        Its kind, the item, a reply for each round, and the figures that the published scoring gives it.
    """
    name = rng.choice([*(name for name in TASKS if name != "memory"), "memory", HIDING])
    if name == "memory":
        item, labels, gold = memory_item(rng, rng.choice([15, 15, 30]), "m")
        texts = [answer if rng.random() < 0.6 else random_reply(rng) for answer in gold]
        return "memory", item, texts, oracle_memory(labels, gold, texts)
    if name == HIDING:
        texts, gold = [random_reply(rng)], [rng.choice("AB")]
        item = single_item("visual_delayed_response_binary", gold[0], "i", ("A", "B"))
        return HIDING, item, texts, oracle_hiding(texts[0], gold[0])
    spec = TASKS[name]
    item, texts = single_item(name, rng.choice(spec.options), "i"), [random_reply(rng)]
    answer = {"letter": oracle_letter, "number": oracle_number, "direction": oracle_direction}[spec.answers](texts[0])
    right = item.turns[0].gold
    figures = {spec.primary_metric: float(answer == right)}
    if spec.answers == "direction":
        figures["acc_adjacent"] = float(oracle_adjacent(right, answer))
    return spec.answers, item, texts, figures


def differences(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Scores ``count`` replies both ways.

    Returns:
        Replies by kind, and every difference.
    """
    rng, asked, found = random.Random(seed), Counter[str](), []
    while sum(asked.values()) < count:
        kind, item, texts, figures = drawn_item(rng)
        # An error is an empty reply to the wrapper, and no sample at all to the evaluation script.
        failed = [text == "" and rng.random() < 0.5 for text in texts]
        replies = tuple(Reply(text=None if error else text) for text, error in zip(texts, failed, strict=True))
        for scoring, expected in (("leaderboard", figures), ("reference", {} if any(failed) else figures)):
            result = score([item], [Response(item=item.id, replies=replies)], scoring=scoring)  # type: ignore[arg-type]
            metrics = result.tasks[0].metrics
            if set(metrics) != set(expected) or any(abs(metrics[key] - expected[key]) > 1e-12 for key in expected):
                found.append(f"{scoring}, {item.task}: {texts!r}: ours {metrics}, oracle {expected}")
        asked[kind] += len(texts)
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
