"""Probes a language model on pairs of sentences, and writes what was found.

folder ── pairs ── log-likelihoods of both sentences ── right, wrong, or half where they are equal
       ├── by paradigm or bin ── by measure ── syntax, semantics, overall
       └── predictions.json of minimal pairs, as BabyLM takes them
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from babyvlm.errors import ConfigError
from babyvlm.evaluation.babylm import OrderedPair, Predictions, predictions_of, write_predictions
from babyvlm.folders import Manifest, fresh_folder, refuse_existing
from babyvlm.probing.configuration import SentenceProbeConfig
from babyvlm.probing.language_models import MODEL, UNIGRAM, Likelihoods, sentence_likelihoods, unigram_likelihoods
from babyvlm.probing.sentence_tables import LanguageFigures, SentenceRow, SentencesProbed
from babyvlm.probing.sentences import MEASURES, SEMANTICS, SYNTAX, SentencePair, read_sentence_pairs
from babyvlm.progress import progress

_DECIMALS = 6
_CHUNK = 1024
_RESAMPLES = 2000


def probe_sentences(
    checkpoint: str, source: Path, out: Path, config: SentenceProbeConfig | None = None, *, data: Path | None = None
) -> SentencesProbed:
    """Probes a language model, and writes ``probe.json``, ``probe.csv`` and, of minimal pairs, ``predictions.json``.

    Args:
        checkpoint: Folder of a stage of ours, or a folder or hub name of a causal language model of transformers.
        source: Folder of pairs.
        out: The folder to write; absent or empty.
        config: Settings.
        data: Curated set, or table of words and counts, for the row of word counts alone; None for none.

    Returns:
        What was found.

    Raises:
        CheckpointError: The model does not load, or has no language model.
        InputError: There is no pair, or a file does not read.
        OutputExistsError: ``out`` holds something.
    """
    config = config or SentenceProbeConfig()
    refuse_existing(out)
    found = read_sentence_pairs(source)
    kinds = sentence_likelihoods(checkpoint, config.seed, config.batch_size)
    if data is not None:
        kinds[UNIGRAM] = unigram_likelihoods(data)
    sums = {name: _likelihoods(likelihoods, found.pairs, name) for name, likelihoods in kinds.items()}
    rows = [row for name in kinds for row in _rows(name, found.pairs, sums[name], config.seed)]
    probed = SentencesProbed(
        checkpoint=checkpoint,
        pairs=len(found.pairs),
        missing=tuple(name for name in MEASURES if not any(pair.measure == name for pair in found.pairs)),
        problems=found.problems,
        figures={name: _together(name, rows) for name in kinds},
        rows=tuple(rows),
    )

    def chosen(pair: OrderedPair) -> str:
        return pair.good if sums[MODEL][pair.good] > sums[MODEL][pair.bad] else pair.bad

    predictions: Predictions = {}
    for path in found.minimal_files:
        for subtask, listed in predictions_of(path, chosen).items():
            if subtask in predictions:
                raise ConfigError(f"{source}: two files have pairs of {subtask}; give each paradigm once")
            predictions[subtask] = listed
    with fresh_folder(out) as partial:
        (partial / "probe.json").write_text(probed.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (partial / "probe.csv").write_text(probed.csv(), encoding="utf-8")
        if predictions:
            write_predictions(predictions, partial / "predictions.json")
        Manifest(
            kind="probe",
            configuration={"checkpoint": checkpoint, "pairs": source.resolve().name, **vars(config)},
            counts={"pairs": probed.pairs},
            skipped=found.problems,
        ).write(partial)
    return probed


def _likelihoods(likelihoods: Likelihoods, pairs: Sequence[SentencePair], name: str) -> dict[str, float]:
    """The log-likelihood of every sentence, each once."""
    sentences = list(dict.fromkeys(text for pair in pairs for text in (pair.good, pair.bad)))
    found: dict[str, float] = {}
    for start in progress(range(0, len(sentences), _CHUNK), description=f"read sentences, {name}", unit="batch"):
        chunk = sentences[start : start + _CHUNK]
        found |= dict(zip(chunk, (round(one, _DECIMALS) for one in likelihoods(chunk)), strict=True))
    return found


def _rows(name: str, pairs: Sequence[SentencePair], sums: Mapping[str, float], seed: int) -> list[SentenceRow]:
    """The rows of one kind of likelihoods."""
    cells: dict[str, dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for pair in pairs:
        good, bad = sums[pair.good], sums[pair.bad]
        cells[pair.measure][pair.part][pair.rule].append(0.5 if good == bad else float(good > bad))
    rows = []
    for measure in MEASURES:
        parts = []
        for part, rules in cells.get(measure, {}).items():
            earned = [value for values in rules.values() for value in values]
            value = fmean(fmean(values) for values in rules.values())
            low, high = _interval(earned, seed)
            row = SentenceRow(
                likelihoods=name, measure=measure, part=part, pairs=len(earned), value=value,
                low=min(low, value), high=max(high, value),
            )  # fmt: skip
            parts.append(row)
        if parts:
            values = [row.value for row in parts]
            low, high = _interval(values, seed)
            whole = SentenceRow(
                likelihoods=name, measure=measure, part="all", pairs=sum(row.pairs for row in parts),
                value=fmean(values), low=low, high=high,
            )  # fmt: skip
            rows.append(whole)
            rows += parts
    return rows


def _interval(values: Sequence[float], seed: int) -> tuple[float, float]:
    each_K = np.asarray(values)
    draws_RK = np.random.default_rng(seed).integers(len(each_K), size=(_RESAMPLES, len(each_K)))
    low, high = np.quantile(each_K[draws_RK].mean(1), (0.025, 0.975))
    return float(low), float(high)


def _together(name: str, rows: Sequence[SentenceRow]) -> LanguageFigures:
    whole = {row.measure: row.value for row in rows if row.likelihoods == name and row.part == "all"}
    parts = [[whole[measure] for measure in group if measure in whole] for group in (SYNTAX, SEMANTICS)]
    syntax, semantics = (fmean(part) if part else None for part in parts)
    overall = None if syntax is None or semantics is None else (syntax + semantics) / 2
    return LanguageFigures(syntax=syntax, semantics=semantics, overall=overall)
