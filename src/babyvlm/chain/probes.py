"""What a tower tells apart, and what a language model finds likely.

checkpoint + labelled pictures ──> probe.json, probe.csv
checkpoint + pairs of sentences ─> probe.json, probe.csv, predictions.json
run on minimal pairs ────────────> predictions.json
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.chain import Place, maybe_path

if TYPE_CHECKING:
    from babyvlm.probing import ProbeConfig, Probed, SentenceProbeConfig, SentencesProbed


def probe_vision(checkpoint: Place, pictures: Place, out: Place, config: ProbeConfig | None = None) -> Probed:
    """Probes a tower on labelled pictures, beside the tower as drawn, pixels and colours.

    Args:
        checkpoint: Folder of a vision, contrastive or whole-model stage, or a folder or hub name of a vision model of
            transformers.
        pictures: A folder for each label, ``LABEL/*.jpg``; ``LABEL/OBJECT/*.jpg`` where an object has several pictures.
        out: Folder to write; absent or empty.
        config: Settings of the probes.

    Returns:
        What was found, which is also in ``probe.json``.

    Raises:
        CheckpointError: The tower does not load.
        InputError: There are too few pictures.
        MediaError: A picture does not decode.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.probing.tower import probe_pictures

    return probe_pictures(str(checkpoint), Path(pictures), Path(out), config)


def probe_language(
    checkpoint: Place, pairs: Place, out: Place, config: SentenceProbeConfig | None = None, *, data: Place | None = None
) -> SentencesProbed:
    """Probes a language model on pairs of sentences, beside the model as drawn and word counts alone.

    Args:
        checkpoint: Folder of the language stage, or of a later one of the whole model; or a folder or hub name of a
            causal language model of transformers.
        pairs: Folder of pairs: ``*.txt`` of Zorro, ``*.jsonl`` of BLiMP, ``*_pairs.txt`` of LongTail-Swap and
            Visual-Property-Swap.
        out: Folder to write; absent or empty.
        config: Settings of the probe.
        data: Curated set, or a TSV file of words and counts, for the row of word counts; None for no such row.

    Returns:
        What was found, which is also in ``probe.json``.

    Raises:
        CheckpointError: The model does not load, or has no language model.
        InputError: There is no pair, or a file does not read.
        OutputExistsError: ``out`` holds something.
    """
    from babyvlm.probing.language import probe_sentences

    return probe_sentences(str(checkpoint), Path(pairs), Path(out), config, data=maybe_path(data))


def write_predictions(run: Place, pairs: Place, out: Place, *, task: str = "") -> dict[str, int]:
    """Writes a run's predictions on minimal pairs as BabyLM's evaluation pipeline has them.

    Args:
        run: Folder written by `evaluate` on imported minimal pairs.
        pairs: The pairs that were imported: their order is that of the predictions.
        out: JSON file to write; absent.
        task: The task to put around the subtasks, ``blimp``; none when empty.

    Returns:
        Predictions, by subtask.

    Raises:
        DataFolderError: The folder is no finished run on minimal pairs, or a reply names no sentence.
        InputError: A pair was not asked, or does not read.
        OutputExistsError: ``out`` is there.
    """
    from babyvlm.evaluation import babylm

    found = babylm.predictions_of_run(Path(run), Path(pairs))
    babylm.write_predictions(found, Path(out), task)
    return {subtask: len(listed["predictions"]) for subtask, listed in found.items()}
