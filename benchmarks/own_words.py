"""Contrasts in a model's own words: what word counts, a blind model, a seeing one and a dual encoder make of them.

    python benchmarks/own_words.py MODEL DATA WORK [--pairs FOLDER] [--counts-alone]

MODEL is a run of ``babyvlm train`` on DATA, a curated set; its last finished stage is asked, and its contrastive stage
where it has one. FOLDER holds pairs of sentences (Zorro), which are not part of the project; with it the run's language
stage is probed too.

Claim: word counts alone earn exactly half of every kind of grammar, since both captions of every contrast are asked,
and about half of words, since both are of one bin. Kinds and words that the set cannot fill are named.
Writes a dated result beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import time
from pathlib import Path

import babyvlm

RESULTS = Path(__file__).resolve().parent / "results"


def figures(evaluation: babyvlm.Evaluation) -> dict:
    """The figures of a run, in percent."""
    found = evaluation.scores.contrasts
    assert found is not None
    named = {name: getattr(found, name) for name in ("lexical", "grammatical", "overall")}
    return {
        **{name: None if value is None else round(100 * value, 1) for name, value in named.items()},
        "kinds": {one.kind: round(100 * one.value, 1) for one in found.kinds},
        "bins_of_nouns": {name: round(100 * value, 1) for name, value in found.kinds[0].bins.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--counts-alone", action="store_true", help="ask no model about pictures")
    arguments = parser.parse_args()
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    began_s = time.monotonic()
    made = babyvlm.make_contrasts(arguments.data, work / "contrasts", babyvlm.ContrastConfig(seed=0))
    made_s = time.monotonic() - began_s
    contrastive = arguments.model / "contrastive"
    stages = [arguments.model / stage for stage in ("instruction", "joint", "alignment")]
    last = next(stage for stage in stages if (stage / "manifest.json").is_file())
    asked = {
        "word counts alone": f"frequency:{arguments.data}",
        f"{last.name} stage, no pictures": f"baseline:text-only:{last}",
        f"{last.name} stage": str(last),
        "contrastive stage": f"clip:{contrastive}",
    }
    rows = {}
    for name, who in asked.items():
        if arguments.counts_alone and name != "word counts alone":
            continue
        if who.endswith("contrastive") and not contrastive.is_dir():
            continue
        ask = babyvlm.AskConfig(answer="likelihood")
        out = work / name.replace(" ", "-").replace(",", "")
        rows[name] = figures(babyvlm.evaluate(who, made.toolbox.folder, out, ask=ask))
        print(name, json.dumps(rows[name]), flush=True)
    result = {
        "date": f"{datetime.date.today()}",
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "seconds_to_make": round(made_s, 1),
        "contrasts": dict(made.trials),
        "left_out": [f"{one.kind}, {one.what}: {one.reason}" for one in made.left_out],
        "chance": 50,
        "percent": rows,
    }
    if arguments.pairs is not None:
        probed = babyvlm.probe_language(
            arguments.model / "language", arguments.pairs, work / "probed", data=arguments.data
        )
        result["language"] = {
            "pairs": probed.pairs,
            "missing": list(probed.missing),
            "syntax": {name: round(100 * (one.syntax or 0), 1) for name, one in probed.figures.items()},
        }
        print(json.dumps(result["language"]))
    path = RESULTS / f"own_words-{datetime.date.today()}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    counted = rows["word counts alone"]["kinds"]
    assert all(value == 50.0 for kind, value in counted.items() if kind not in ("nouns", "adjectives")), counted


if __name__ == "__main__":
    main()
