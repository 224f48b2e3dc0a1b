"""Probes a tower: every kind of features, every probe, whole pictures and changed ones.

folder ── pictures ── folds ──┬── features of whole pictures ── nearest, linear, ABX
                              └── features of changed ones ──── nearest and linear, learned from whole ones
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from babyvlm.folders import Manifest, fresh_folder, refuse_existing
from babyvlm.probing.configuration import ProbeConfig
from babyvlm.probing.judges import abx_errors, linear_labels, nearest_labels
from babyvlm.probing.pictures import LabelledPicture, changed, folds_of, has_plain_ground, opened, read_labelled
from babyvlm.probing.tables import Floats, Labels, Probed, ProbeRow, row_of
from babyvlm.probing.towers import Features, plain_features, tower_features
from babyvlm.progress import progress

_CHUNK = 256


def probe_pictures(checkpoint: str, source: Path, out: Path, config: ProbeConfig | None = None) -> Probed:
    """Probes a tower on the labelled pictures of a folder, and writes ``probe.json`` and ``probe.csv``.

    Args:
        checkpoint: Folder of a stage of ours, or a folder or hub name of a vision model of transformers.
        source: ``LABEL/*.jpg``, or ``LABEL/OBJECT/*.jpg``.
        out: The folder to write; absent or empty.
        config: Settings.

    Returns:
        What was found.

    Raises:
        CheckpointError: The tower does not load.
        InputError: There are too few pictures.
        MediaError: A picture does not decode.
        OutputExistsError: ``out`` holds something.
    """
    config = config or ProbeConfig()
    refuse_existing(out)
    folder = read_labelled(source)
    number = {label: place for place, label in enumerate(folder.labels)}
    labels_N = np.array([number[picture.label] for picture in folder.pictures])
    folds_N = np.array(folds_of(folder.pictures, config.folds, config.seed))
    kinds = tower_features(checkpoint, config.seed) | plain_features()
    seen = _see(kinds, folder.pictures, config)
    rows = [row for kind in kinds for row in _rows(kind, seen.features[kind], labels_N, folds_N, config)]
    found = Probed(
        checkpoint=checkpoint,
        pictures=len(folder.pictures),
        objects=len({(picture.label, picture.group) for picture in folder.pictures}),
        labels=len(folder.labels),
        left_out=folder.left_out,
        without_plain_ground=seen.without_plain_ground,
        rows=tuple(rows),
    )
    with fresh_folder(out) as partial:
        (partial / "probe.json").write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (partial / "probe.csv").write_text(found.csv(), encoding="utf-8")
        Manifest(
            kind="probe",
            configuration={"checkpoint": checkpoint, "pictures": source.resolve().name, **vars(config)},
            counts={"pictures": found.pictures, "labels": found.labels},
            skipped={"label: a single object": len(found.left_out)} if found.left_out else {},
        ).write(partial)
    return found


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What features were made of the pictures."""

    features: Mapping[str, Mapping[str, Floats]]
    """By kind, then by how the pictures were shown, ND."""
    without_plain_ground: int


def _see(kinds: Mapping[str, Features], pictures: Sequence[LabelledPicture], config: ProbeConfig) -> _Seen:
    """Opens each picture once and makes every kind of features of it, whole and changed."""
    parts: dict[str, dict[str, list[Floats]]] = {kind: {} for kind in kinds}
    without_ground = 0
    for start in progress(range(0, len(pictures), _CHUNK), description="look at pictures", unit="batch"):
        chunk = pictures[start : start + _CHUNK]
        images = [opened(picture) for picture in chunk]
        without_ground += sum(not has_plain_ground(image) for image in images)
        shown = {"whole": images}
        for change in config.changes:
            draws = [Random(f"{config.seed}/{picture.label}/{picture.path.name}") for picture in chunk]
            shown[change] = [changed(image, change, draw) for image, draw in zip(images, draws, strict=True)]
        for kind, features in kinds.items():
            for name, seen in shown.items():
                parts[kind].setdefault(name, []).append(features(seen))
    made = {kind: {name: np.concatenate(rows) for name, rows in by.items()} for kind, by in parts.items()}
    return _Seen(features=made, without_plain_ground=without_ground)


def _rows(
    kind: str, shown: Mapping[str, Floats], labels_N: Labels, folds_N: Labels, config: ProbeConfig
) -> list[ProbeRow]:
    """The rows of one kind of features."""
    labels = int(labels_N.max()) + 1
    told: dict[tuple[str, str], Labels] = {
        (name, probe): np.full(len(labels_N), -1) for name in shown for probe in ("nearest", "linear")
    }
    whole_ND = shown["whole"]
    for fold in sorted(set(folds_N.tolist())):
        asked, known = folds_N == fold, folds_N != fold
        # One fit serves whole and changed pictures: they are told together.
        asked_MD = np.concatenate([features_ND[asked] for features_ND in shown.values()])
        nearest_M = nearest_labels(whole_ND[known], labels_N[known], asked_MD, config.neighbours)
        linear_M = linear_labels(whole_ND[known], labels_N[known], asked_MD, config.penalty)
        for place, name in enumerate(shown):
            part = slice(place * int(asked.sum()), (place + 1) * int(asked.sum()))
            told[name, "nearest"][asked], told[name, "linear"][asked] = nearest_M[part], linear_M[part]
    rows = []
    for (name, probe), told_N in told.items():
        each_K = [float((told_N[labels_N == label] == label).mean()) for label in range(labels)]
        rows.append(row_of(each_K, features=kind, pictures=name, probe=probe, chance=1 / labels, seed=config.seed))
    right_K = 1 - np.nanmean(abx_errors(whole_ND, labels_N), axis=1)
    rows.append(row_of(right_K, features=kind, pictures="whole", probe="abx", chance=0.5, seed=config.seed))
    return rows
