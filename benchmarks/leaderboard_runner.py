"""A submission runs on the leaderboard's software (claim: its ``model.py`` replies and judges there as our model here).

Makes an environment with lmms-eval 0.3.0 and transformers 4.39 (``beside_leaderboard``), writes a submission, installs
its ``model.py`` there as the leaderboard's runner does, lets lmms-eval ask a toolbox's items, and compares every reply
and every loss of a phrase with those of ``babyvlm evaluate``. An untrained model that says letters, numbers and
directions alone is always among the checkpoints: its replies differ from item to item and are text. Where a reply of an
earlier round is no text, as an untrained tokenizer's bytes may be, the two conversations differ from there on: the
wrapper reads the reply again as text, ``evaluate`` goes on from its tokens. Such items are counted apart.

    python benchmarks/leaderboard_runner.py [--checkpoint FOLDER ...] [--toolbox FOLDER] [--environment FOLDER]
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from babyvlm.evaluation import evaluate
from babyvlm.evaluation.local import LocalModel
from babyvlm.evaluation.phrases import PHRASES
from babyvlm.folders import Manifest, read_manifest
from babyvlm.leaderboard import write_lmms_tasks, write_submission
from babyvlm.leaderboard.tasks import MAX_NEW_TOKENS
from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config, processor, train_tokenizer
from babyvlm.model.tokenizer import EOS
from babyvlm.records import Response, read_jsonl
from babyvlm.toolbox import open_toolbox
from babyvlm.toolbox.winoground import JudgedPair
from beside_leaderboard import ask_there, environment, install, versions

ROOT = Path(__file__).resolve().parents[1]
NO_TEXT = "\ufffd"
CLOSE = 1e-5
"""Largest difference of two losses that are the same, nats."""


def untrained(folder: Path) -> Path:
    """A small model that says words of the benchmark's answers alone, saved as a checkpoint."""
    torch.manual_seed(1)
    shape = ModelShape(
        image_size=32, patch_size=16, vision_width=64, vision_layers=2, vision_heads=2, text_width=64, text_layers=2,
        text_heads=4, text_kv_heads=2, text_intermediate=96, vocabulary=400, context=8192,
    )  # fmt: skip
    words = " A B C D 1 2 3 4 12 left right top bottom"
    tokenizer = train_tokenizer([f"USER: <image> Which one? ASSISTANT:{words}"] * 3, shape.vocabulary, shape.context)
    model = BabyLlavaForConditionalGeneration(model_config(shape))
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    said = [*tokenizer.encode(words, add_special_tokens=False), EOS]
    with torch.no_grad():
        silent = torch.ones(len(model.lm_head.weight), dtype=torch.bool)
        silent[said] = False
        model.lm_head.weight[silent] = 0.0
        model.lm_head.weight[~silent] *= 3.0
    model.save_pretrained(folder)
    processor(shape, tokenizer).save_pretrained(folder)
    Manifest(kind="checkpoint", configuration={"recipe": "untrained"}).write(folder)
    return folder


def compared(python: Path, checkpoint: Path, given_toolbox: Path, limit: int, work: Path) -> dict[str, Any]:
    """One checkpoint asked there and here."""
    toolbox = open_toolbox(given_toolbox)
    # A reply's last token closes it here, so that one more is as long as there.
    model = LocalModel(checkpoint, max_new_tokens=MAX_NEW_TOKENS + 1)
    evaluate(model, toolbox, work / "run", model=str(checkpoint), limit=limit)
    write_submission(work / "run", checkpoint, work / "submission")
    install(python, work / "submission" / "model.py")
    names = write_lmms_tasks(toolbox, work / "tasks", limit=limit)
    there = ask_there(python, checkpoint, work / "tasks", names, work / "logs")
    answered = [
        response
        for response in read_jsonl(work / "run" / "responses.jsonl", Response)
        if all(reply.text is not None for reply in response.replies)
    ]
    apart, no_text = {}, 0
    for response in answered:
        here, found = [str(reply.text) for reply in response.replies], there.replies[response.item]
        if here != [text.strip() for text in found]:
            if any(NO_TEXT in reply for reply in here[:-1]):
                no_text += 1
            else:
                apart[response.item] = {"here": here, "there": found}
    differences = [
        abs(loss - getattr(judged.losses, f"image{place}_phrase{which}"))
        for number, judged in enumerate(read_jsonl(work / "run" / PHRASES, JudgedPair))
        for place in (0, 1)
        for which, loss in enumerate(there.losses[number, place])
    ]
    return {
        "checkpoint": read_manifest(checkpoint, "checkpoint").configuration.get("recipe", checkpoint.name),
        "items": len(there.replies),
        "too_long_here": len(there.replies) - len(answered),
        "rounds_compared": sum(len(response.replies) for response in answered),
        "different_replies": len({reply for replies in there.replies.values() for reply in replies}),
        "items_apart": apart,
        "items_apart_after_a_reply_that_is_no_text": no_text,
        "losses_compared": len(differences),
        "largest_difference_of_losses_nats": max(differences, default=0.0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, action="append", default=[])
    parser.add_argument("--toolbox", type=Path, default=ROOT / "demo/toolbox", help="items to ask")
    parser.add_argument("--limit", type=int, default=10, help="items a task")
    parser.add_argument("--environment", type=Path, default=ROOT / ".leaderboard")
    given = parser.parse_args()
    python = environment(given.environment)
    found = []
    for checkpoint in (None, *given.checkpoint):
        with tempfile.TemporaryDirectory() as scratch:
            asked = checkpoint or untrained(Path(scratch) / "untrained")
            found.append(compared(python, asked, given.toolbox, given.limit, Path(scratch)))
    result = {"date": str(datetime.date.today()), "environment": versions(python), "checkpoints": found}
    target = Path(__file__).parent / "results" / f"leaderboard_runner-{result['date']}.json"
    target.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for one in found:
        print(
            f"{one['checkpoint']}: {one['rounds_compared']} replies, {len(one['items_apart'])} items apart; "
            f"{one['losses_compared']} losses, at most {one['largest_difference_of_losses_nats']:.1e} nats apart"
        )
    print(f"written to {target}")
    sys.exit(any(one["items_apart"] or one["largest_difference_of_losses_nats"] > CLOSE for one in found))


if __name__ == "__main__":
    main()
