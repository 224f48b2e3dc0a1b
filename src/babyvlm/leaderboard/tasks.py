"""Task files for lmms-eval 0.7: a toolbox's items, asked and scored there as here.

OUT/
├── babyvlm_tasks.py        what the task files call; it calls the functions below
├── <key>.yaml              one task for each sub-task, under the leaderboard's key (`baby_pv`, `baby_memory`, ...)
├── <key>.json              its items, one document each
└── baby_winoground.*       pairs of Looking While Listening, by likelihood; its items asked in words are `baby_lwl`

Run them with ``python -m lmms_eval --model babyvlm --model_args pretrained=CHECKPOINT --tasks baby_pv --include_path
OUT``. The files name their folder by its full path: write them again where they are moved.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from babyvlm.folders import fresh_folder, refuse_existing
from babyvlm.records import Item, Reply, Response
from babyvlm.shown_pictures import open_image
from babyvlm.toolbox import Scoring, Toolbox, score_item, task_named
from babyvlm.toolbox.winoground import (
    WINOGROUND_CHANCE,
    PairLosses,
    WinogroundPair,
    winoground_pairs,
    winoground_scores,
)

LWL_IN_WORDS = "baby_lwl"
WINOGROUND = "baby_winoground"
MAX_NEW_TOKENS = 8
"""Longest reply, tokens; as ``babyvlm evaluate`` asks."""
_WINOGROUND_METRICS = tuple(WINOGROUND_CHANCE)

_FUNCTIONS = '''"""What the task files beside this one call."""

from babyvlm.leaderboard import tasks

SCORING = {scoring!r}
doc_to_visual = tasks.doc_to_visual
doc_to_text = tasks.doc_to_text
doc_to_target = tasks.doc_to_target
doc_to_choice = tasks.doc_to_choice
pair_results = tasks.pair_results
image_score, text_score, group_score = tasks.image_score, tasks.text_score, tasks.group_score
positive_context_group_score = tasks.positive_context_group_score
negative_context_group_score = tasks.negative_context_group_score


def process_results(doc, results):
    return tasks.process_results(doc, results, SCORING)
'''


def write_lmms_tasks(
    toolbox: Toolbox, out: Path, *, scoring: Scoring = "default", limit: int | None = None
) -> list[str]:
    """Writes task files for lmms-eval.

    Args:
        toolbox: The items.
        out: The folder to write; absent or empty.
        scoring: How replies are read there.
        limit: Items a sub-task, the first in the toolbox's order; None for all.

    Returns:
        The tasks' names.

    Raises:
        OutputExistsError: ``out`` already holds something.
    """
    refuse_existing(out)
    target = out.resolve()
    written = []
    with fresh_folder(out) as partial:
        (partial / "babyvlm_tasks.py").write_text(_FUNCTIONS.format(scoring=scoring), encoding="utf-8")
        for task in toolbox.tasks:
            items = [item for item in toolbox.items if item.task == task][:limit]
            key = LWL_IN_WORDS if task == "looking_while_listening" else task_named(task).leaderboard_key or task
            documents = [_document(toolbox, item) for item in items]
            _write_task(partial, target, key, documents, _asked_in_words(task))
            written.append(key)
            if key == LWL_IN_WORDS and (pairs := winoground_pairs(items)):
                documents = [one for number, pair in enumerate(pairs) for one in _pair_documents(toolbox, number, pair)]
                _write_task(partial, target, WINOGROUND, documents, _by_likelihood())
                written.append(WINOGROUND)
    return written


def _document(toolbox: Toolbox, item: Item) -> dict[str, Any]:
    turns = []
    for turn in item.turns:
        turns += [{"from": "human", "value": turn.prompt}, {"from": "gpt", "value": turn.gold}]
    return {
        "id": item.id,
        "image": [str(toolbox.image_path(name).resolve()) for turn in item.turns for name in turn.images],
        "conversations": turns,
        "pictures_by_round": [len(turn.images) for turn in item.turns],
        "item": item.model_dump_json(),
    }


def _pair_documents(toolbox: Toolbox, number: int, pair: WinogroundPair) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{pair.item}-{place}",
            "instance_id": number,
            "image_index": place,
            "image": [str(toolbox.image_path(image).resolve())],
            "phrases": list(pair.phrases),
        }
        for place, image in enumerate(pair.images)
    ]


def _write_task(folder: Path, target: Path, key: str, documents: list[dict[str, Any]], settings: list[str]) -> None:
    (folder / f"{key}.json").write_text(json.dumps(documents, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = [
        f"task: {key}",
        "dataset_path: json",
        "dataset_kwargs:",
        "  data_files:",
        f"    test: {json.dumps(str(target / (key + '.json')))}",
        "test_split: test",
        "doc_to_visual: !function babyvlm_tasks.doc_to_visual",
        "doc_to_text: !function babyvlm_tasks.doc_to_text",
        "doc_to_target: !function babyvlm_tasks.doc_to_target",
        *settings,
    ]
    (folder / f"{key}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _asked_in_words(task: str) -> list[str]:
    spec = task_named(task)
    metrics = [spec.primary_metric]
    metrics += ["acc_adjacent"] if spec.answers == "direction" else []
    metrics += ["acc_learning", "acc_testing_raw"] if task == "memory" else []
    lines = [
        f"output_type: {'generate_until_multi_round' if task == 'memory' else 'generate_until'}",
        "generation_kwargs:",
        f"  max_new_tokens: {MAX_NEW_TOKENS}",
        "process_results: !function babyvlm_tasks.process_results",
        "metric_list:",
    ]
    for metric in metrics:
        lines += [f"  - metric: {metric}", "    aggregation: mean", "    higher_is_better: true"]
    return lines


def _by_likelihood() -> list[str]:
    lines = [
        "output_type: multiple_choice",
        "doc_to_choice: !function babyvlm_tasks.doc_to_choice",
        "process_results: !function babyvlm_tasks.pair_results",
        "metric_list:",
    ]
    for metric in _WINOGROUND_METRICS:
        lines += [f"  - metric: {metric}", f"    aggregation: !function babyvlm_tasks.{metric}"]
        lines += ["    higher_is_better: true"]
    return lines


def doc_to_visual(doc: dict[str, Any]) -> list[Image.Image]:
    """All pictures of a document, RGB, in order."""
    return [open_image(Path(path)) for path in doc["image"]]


def doc_to_text(doc: dict[str, Any], **_: Any) -> str:
    """The first round's prompt; nothing where phrases are to be scored, as the published task has it."""
    return str(doc["conversations"][0]["value"]) if "conversations" in doc else ""


def doc_to_target(doc: dict[str, Any]) -> str:
    """The first round's answer, or the phrase that belongs to the picture."""
    return str(doc["conversations"][1]["value"] if "conversations" in doc else doc["phrases"][doc["image_index"]])


def doc_to_choice(doc: dict[str, Any]) -> list[str]:
    """The two phrases of a pair."""
    return list(doc["phrases"])


def process_results(doc: dict[str, Any], results: Sequence[str], scoring: Scoring) -> dict[str, float]:
    """An item's metrics.

    Args:
        doc: Its document.
        results: The reply; for several rounds, a JSON list of them in one string.
        scoring: How replies are read.
    """
    item = Item.model_validate_json(doc["item"])
    texts = json.loads(results[0]) if len(item.turns) > 1 else [results[0]]
    response = Response(item=item.id, replies=tuple(Reply(text=text) for text in texts))
    return score_item(item, response, scoring=scoring).metrics


def pair_results(doc: dict[str, Any], results: Sequence[tuple[float, bool] | str]) -> dict[str, dict[str, float]]:
    """The losses of a pair's two phrases beside one of its pictures, once for each metric made of them."""
    # lmms-eval 0.7.3 turns what loglikelihood returns into text: "(1.5, False)".
    pairs = [ast.literal_eval(result) if isinstance(result, str) else result for result in results]
    losses = {f"image{doc['image_index']}_phrase{place}": float(loss) for place, (loss, _) in enumerate(pairs)}
    return {metric: {"instance": doc["instance_id"], **losses} for metric in _WINOGROUND_METRICS}


def _mean(parts: Sequence[dict[str, float]], metric: str) -> float:
    pairs: dict[float, dict[str, float]] = {}
    for part in parts:
        pairs.setdefault(part["instance"], {}).update({key: part[key] for key in part if key != "instance"})
    # A limit on documents may cut the last pair in two.
    whole = [PairLosses(**losses) for losses in pairs.values() if len(losses) == 4]
    return float(getattr(winoground_scores(whole), metric))


def image_score(parts: Sequence[dict[str, float]]) -> float:
    """Share of pairs in which each phrase prefers its own picture."""
    return _mean(parts, "image_score")


def text_score(parts: Sequence[dict[str, float]]) -> float:
    """Share of pairs in which each picture prefers its own phrase."""
    return _mean(parts, "text_score")


def group_score(parts: Sequence[dict[str, float]]) -> float:
    """Share of pairs in which both hold."""
    return _mean(parts, "group_score")


def positive_context_group_score(parts: Sequence[dict[str, float]]) -> float:
    """Share of pairs in which the first picture and its phrase prefer each other."""
    return _mean(parts, "positive_context_group_score")


def negative_context_group_score(parts: Sequence[dict[str, float]]) -> float:
    """Share of pairs in which the second picture and its phrase prefer each other."""
    return _mean(parts, "negative_context_group_score")
