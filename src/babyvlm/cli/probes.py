"""What parts of a model know: ``probe vision``, ``probe language``; and ``predictions``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

import babyvlm
from babyvlm.cli.shared import closing
from babyvlm.probing import ProbeConfig, SentenceProbeConfig


def vision(
    checkpoint: Positional[str],
    pictures: Positional[Path],
    *,
    out: Path,
    config: Annotated[ProbeConfig, arg(name="")] = ProbeConfig(),  # noqa: B008
) -> str:
    """Probe a tower on labelled pictures, beside the tower as drawn, pixels and colours.

    Args:
        checkpoint: Folder of a vision, contrastive or whole-model stage, or a folder or hub name of a vision model of
            transformers.
        pictures: A folder for each label, LABEL/*.jpg; LABEL/OBJECT/*.jpg where an object has several pictures.
        out: Folder to write.
        config: Settings of the probes.
    """
    found = babyvlm.probe_vision(checkpoint, pictures, out, config)
    print(found.text())
    if found.left_out:
        print(f"left out, for they have a single object: {', '.join(found.left_out)}")
    if found.without_plain_ground:
        print(f"silhouettes say little of {found.without_plain_ground} of {found.pictures} pictures: no plain ground")
    return closing(f"{out / 'probe.csv'} has every figure")


def language(
    checkpoint: Positional[str],
    pairs: Positional[Path],
    *,
    out: Path,
    data: Path | None = None,
    config: Annotated[SentenceProbeConfig, arg(name="")] = SentenceProbeConfig(),  # noqa: B008
) -> str:
    """Probe a language model on pairs of sentences, beside the model as drawn and word counts alone.

    Args:
        checkpoint: Folder of the language stage, or of a later one of the whole model; or a folder or hub name of a
            causal language model of transformers.
        pairs: Folder of pairs: *.txt of Zorro, *.jsonl of BLiMP, *_pairs.txt of LongTail-Swap and Visual-Property-Swap.
        out: Folder to write.
        data: Curated set, or a TSV file of words and counts, for the row of word counts.
        config: Settings of the probe.
    """
    found = babyvlm.probe_language(checkpoint, pairs, out, config, data=data)
    print(found.text())
    for reason, count in found.problems.items():
        print(f"left out: {count} x {reason}")
    if found.missing:
        print(f"no pairs of {', '.join(found.missing)}: not in these figures")
    if data is None:
        print("no row of word counts: --data names the training set they come from")
    return closing(f"{out / 'probe.csv'} has every figure")


def predictions(run: Positional[Path], *, pairs: Path, out: Path, task: str = "") -> str:
    """Write a run's predictions on minimal pairs as BabyLM's evaluation pipeline has them.

    Args:
        run: Folder written by ``babyvlm evaluate`` on imported minimal pairs.
        pairs: The pairs that were imported: their order is that of the predictions.
        out: JSON file to write.
        task: The task to put around the subtasks, such as blimp; none when not given, as the pipeline leaves the file
            of one set of pairs.
    """
    counts = babyvlm.write_predictions(run, pairs, out, task=task)
    return closing(f"{out} has {sum(counts.values())} predictions of {len(counts)} subtasks")
