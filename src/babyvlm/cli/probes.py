"""What parts of a model know: ``probe vision``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

import babyvlm
from babyvlm.cli.shared import closing
from babyvlm.probing import ProbeConfig


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
