"""What a tower tells apart.

checkpoint + labelled pictures ──> probe.json, probe.csv
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.chain import Place

if TYPE_CHECKING:
    from babyvlm.probing import ProbeConfig, Probed


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
