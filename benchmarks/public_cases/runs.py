"""Public cases of run folders: what a run is made of."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from babyvlm.cli import main

_TINY = [
    "model.image_size=32", "model.patch_size=16", "model.vision_width=32", "model.vision_layers=1",
    "model.vision_heads=2", "model.text_width=32", "model.text_layers=1", "model.text_heads=2",
    "model.text_kv_heads=2", "model.text_intermediate=64", "model.vocabulary=300", "model.context=256",
    "vision.optimisation.steps=2", "vision.optimisation.batch_size=4", "vision.prototypes=32",
    "vision.head_width=16", "vision.bottleneck=8", "vision.local_views=2", "vision.local_size=16",
    "vision.probes=0", "language.optimisation.steps=2", "language.packed_tokens=32",
    "alignment.optimisation.steps=2", "cpu_processes=1",
]  # fmt: skip


def _command(*words: object) -> tuple[int, str]:
    """Exit status and what was printed to standard error."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            return int(ended.code or 0), said.getvalue()
    return 0, said.getvalue()


def _another_set_in_the_same_run(folder: Path, work: Path) -> str:
    for name in ("tiny", "tiny2"):
        assert _command("curate", folder / name, "--out", work / f"{name}-set", "--workers", "1")[0] == 0, name
    train = ("train", "nursery", *_TINY, "--out", work / "run")
    status, said = _command(*train, "--data", work / "tiny-set", "--stage", "vision", "language")
    assert status == 0, said
    status, said = _command(*train, "--data", work / "tiny2-set", "--stage", "alignment")
    assert status == 2 and "this run was begun with another set" in said and "--start" in said, said
    assert not (work / "run" / "alignment").exists()
    return "refused: this run was begun with another set"


CASES = {"40-other-data-same-out": _another_set_in_the_same_run}
