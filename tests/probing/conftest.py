"""Tiny untrained checkpoints of ours."""

import pytest
import torch
from transformers import ViTModel

from babyvlm.folders import Manifest
from babyvlm.model import BabyLlavaForConditionalGeneration, ModelShape, model_config
from babyvlm.model.configuration import vision_config
from babyvlm.model.dual_encoder import DualEncoder, DualEncoderConfig
from babyvlm.model.stem import new_tower

SHAPE = ModelShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, vision_heads=2, text_width=32, text_layers=2,
    text_heads=2, text_kv_heads=2, text_intermediate=64, vocabulary=300, context=64,
)  # fmt: skip


@pytest.fixture(scope="session")
def stages(tmp_path_factory):
    """A folder of each stage that has a tower, by its name."""
    run = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    tower = new_tower(vision_config(SHAPE))
    assert isinstance(tower, ViTModel)
    encoder = DualEncoder(DualEncoderConfig(vision_config=tower.config.to_dict(), words=["cup"], width=8))
    models = {
        "vision": tower,
        "contrastive": encoder,
        "instruction": BabyLlavaForConditionalGeneration(model_config(SHAPE)),
    }
    for name, model in models.items():
        model.save_pretrained(run / name)
        Manifest(kind="checkpoint").write(run / name)
    return {name: run / name for name in models}
