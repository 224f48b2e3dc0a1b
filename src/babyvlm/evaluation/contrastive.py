"""One of our contrastive checkpoints as the encoder of a dual-encoder respondent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from babyvlm.errors import CheckpointError
from babyvlm.evaluation.provenance import weights_revision
from babyvlm.evaluation.respondents import Family
from babyvlm.folders import MANIFEST, read_manifest
from babyvlm.model.dual_encoder import as_pixels, load_dual_encoder
from babyvlm.model.processing import square_pixels


class ContrastiveCheckpoint:
    """A checkpoint of the ``contrastive`` stage; a picture's features are what its encoder makes of it.

    Args:
        checkpoint: Its folder.
        device: Where it runs; a GPU where there is one, when empty.

    Raises:
        CheckpointError: The folder is no contrastive checkpoint, or not whole.
    """

    family: Family = "baby model"

    def __init__(self, checkpoint: Path, *, device: str = "") -> None:
        if not (checkpoint / "config.json").is_file() or not (checkpoint / MANIFEST).is_file():
            raise CheckpointError(
                "no checkpoint here",
                path=checkpoint,
                remedy="Give clip: the folder of a contrastive stage (OUT/contrastive of babyvlm train), the folder or "
                "hub name of a dual encoder of transformers, or a folder with CVCL's weights and vocab.json",
            )
        made = read_manifest(checkpoint, "checkpoint").configuration
        model, self._reader = load_dual_encoder(checkpoint)
        self.name = f"dual encoder {made.get('recipe', checkpoint.resolve().name)}"
        self.revision = weights_revision(checkpoint)
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        placed: Any = model
        self.model = placed.to(self._device).eval()
        self.scale, self.bias = float(model.log_scale.detach().exp()), float(model.bias.detach())
        self._size, self._fit = model.config.vision_config["image_size"], model.config.image_fit

    def features(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        pixels_UCHW = torch.stack([torch.tensor(square_pixels(one, self._size, self._fit)) for one in pictures])
        tokens_UE: torch.Tensor = self.model.features(as_pixels(pixels_UCHW, self._device))
        return tokens_UE

    def placed(self, features_UE: torch.Tensor) -> torch.Tensor:
        unit_UD: torch.Tensor = self.model.placed(features_UE)
        return unit_UD

    def text(self, text: str) -> torch.Tensor | None:
        ids = self._reader.ids(text)
        if not ids:
            return None
        unit_1D: torch.Tensor = self.model.read(self._reader.batch([ids]).to(self._device))
        return unit_1D[0]
