"""Pairs of sentences, one of them right: minimal pairs of grammar, and pairs in which two sentences swap a word.

*.txt, *.jsonl                    Zorro, BLiMP                             minimal pairs   mean over paradigms
inflswap_pairs*, agrswap_pairs*   LongTail-Swap: inflection, agreement     syntax          mean over bins of frequency
wordswap_pairs*                   LongTail-Swap: words                     semantics       mean over bins
vp_swap_*_pairs*                  Visual-Property-Swap                     semantics       mean over bins

A line of a swap is ``bin|rule|word 1|sentence 1|place 1|word 2|sentence 2|place 2``, that of wordswap with a sentence
of the training set and the place in it behind each word; places count letters, or words. Each sentence has to be
likelier than itself with the other's word. Within a bin, rules count the same.

Sources: LongTail-Swap (Algayres and others, 2025), Visual-Property-Swap (EgoBabyVLM, 2026); the layout is that of
https://github.com/facebookresearch/egobabyvlm. DEVIATION: there a cell without any success is left out of the mean.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babyvlm.errors import InputError
from babyvlm.evaluation.babylm import ordered_pairs
from babyvlm.regular_files import read_regular

MINIMAL, INFLECTION, AGREEMENT, WORD, VISUAL = "minimal pairs", "inflection", "agreement", "word", "visual property"
SYNTAX, SEMANTICS = (MINIMAL, INFLECTION, AGREEMENT), (WORD, VISUAL)
MEASURES = (*SYNTAX, *SEMANTICS)
_SWAPS = (("inflswap_pairs", INFLECTION), ("agrswap_pairs", AGREEMENT), ("wordswap_pairs", WORD), ("vp_swap", VISUAL))
_FIELDS, _FIELDS_OF_WORDS = 8, 12


@dataclass(frozen=True, kw_only=True)
class SentencePair:
    """Two sentences, and the cell of the table that they count in."""

    measure: str
    part: str
    """Paradigm, or bin of frequency."""
    rule: str
    """Of a swap; empty for minimal pairs."""
    good: str
    bad: str


@dataclass(frozen=True, kw_only=True)
class SentencePairs:
    """The pairs of a folder."""

    pairs: tuple[SentencePair, ...]
    problems: dict[str, int]
    """Lines of swaps of which no pair could be made, by reason."""
    minimal_files: tuple[Path, ...]
    """Files of minimal pairs."""


def read_sentence_pairs(source: Path) -> SentencePairs:
    """The pairs of a folder and of those in it, or of a file.

    Raises:
        InputError: There is no file of pairs, one does not read, or no pair can be made.
    """
    found = sorted(source.rglob("*")) if source.is_dir() else [source]
    files = [path for path in found if path.is_file() and (path.suffix in (".txt", ".jsonl") or _swap_of(path))]
    if not files:
        raise InputError(
            "no file of pairs", path=source, remedy="Give Zorro's *.txt, BLiMP's *.jsonl, LongTail-Swap's *_pairs.txt"
        )
    pairs: list[SentencePair] = []
    problems: Counter[str] = Counter()
    minimal = [path for path in files if not _swap_of(path)]
    for path in minimal:
        pairs += [
            SentencePair(measure=MINIMAL, part=one.paradigm, rule="", good=one.good, bad=one.bad)
            for one in ordered_pairs(path)
        ]
    for path in files:
        if measure := _swap_of(path):
            pairs += _swaps(path, measure, problems)
    if not pairs:
        raise InputError(f"no pair can be made ({dict(problems)})", path=source)
    return SentencePairs(pairs=tuple(pairs), problems=dict(sorted(problems.items())), minimal_files=tuple(minimal))


def _swap_of(path: Path) -> str:
    return next((measure for name, measure in _SWAPS if path.name.startswith(name)), "")


def _swaps(path: Path, measure: str, problems: Counter[str]) -> Iterator[SentencePair]:
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"does not read as text ({error})", path=path) from error
    for line in lines:
        fields = line.strip().split("|")
        if not line.strip():
            continue
        if len(fields) == _FIELDS_OF_WORDS and measure == WORD:
            fields = [*fields[:3], *fields[5:8], *fields[10:]]
        if len(fields) != _FIELDS or not all(fields[at].strip().isdigit() for at in (0, 4, 7)):
            problems[f"{measure}: a line of another form"] += 1
            continue
        part, rule, first, one, first_at, second, other, second_at = (field.strip() for field in fields)
        swapped = _swapped(one, first, int(first_at), second), _swapped(other, second, int(second_at), first)
        if not all(swapped):
            problems[f"{measure}: the word is not where its line says"] += 1
            continue
        for good, bad in zip((one, other), swapped, strict=True):
            yield SentencePair(measure=measure, part=part, rule=_rule(measure, rule), good=good, bad=bad)


def _swapped(sentence: str, word: str, at: int, other: str) -> str:
    """The sentence with the other word in the place of its own, a capital first; empty where its own is not there.

    >>> _swapped("The dog barks.", "dog", 4, "cat"), _swapped("A dog.", "dog", 1, "cat"), _swapped("A", "dog", 3, "cat")
    ('The cat barks.', 'A cat.', '')
    """
    made = ""
    if sentence[at : at + len(word)].lower() == word.lower():
        made = sentence[:at] + other + sentence[at + len(word) :]
    elif at < len(words := sentence.split(" ")) and re.sub(r"\W+$", "", words[at]).lower() == word.lower():
        made = " ".join([*words[:at], other + words[at][len(word) :], *words[at + 1 :]])
    return made[:1].upper() + made[1:] if sentence[:1].isupper() else made


def _rule(measure: str, rule: str) -> str:
    """What counts as one rule: near and far agreement, or the part of speech."""
    if measure == AGREEMENT:
        return "SHORT" if "SHORT" in rule or "DET" in rule else "LONG" if "LONG" in rule else rule
    return rule if measure == INFLECTION else rule.split("_")[0]
