"""The published full size: ViT-L/16 + MLP + 1.1B LLaMA on SAYCam (paper, training recipe; published scripts)."""

from __future__ import annotations

from babyvlm.model.configuration import ModelShape
from babyvlm.training.configuration import LanguageStage, MultimodalStage, Optimisation, Recipe, VisionStage


def saycam() -> Recipe:
    """Five stages at full size. Batch sizes are the published per-device ones times eight devices."""
    devices = 8
    return Recipe(
        name="saycam",
        model=ModelShape(),
        vision=VisionStage(
            # Batch and rate of the public DINO pipeline: 0.0005 for each 256 samples a step.
            optimisation=Optimisation(
                learning_rate=2e-3,
                batch_size=1024,
                epochs=100,
                warmup_fraction=0.1,
                weight_decay=0.04,
                beta2=0.999,
                clip_norm=3.0,
            ),
            micro_batch=32,
        ),
        language=LanguageStage(
            optimisation=Optimisation(learning_rate=2e-4, batch_size=4 * devices, epochs=10, weight_decay=0.1),
        ),
        alignment=MultimodalStage(
            optimisation=Optimisation(learning_rate=3e-3, batch_size=32 * devices, epochs=5, beta2=0.999),
            formats=("image",),
            trains=("connector",),
            template="baby_plain",
        ),
        joint=MultimodalStage(
            optimisation=Optimisation(learning_rate=2e-4, batch_size=64 * devices, epochs=5, beta2=0.999),
            formats=("image", "video", "interleaved"),
            trains=("connector", "language"),
        ),
        instruction=MultimodalStage(
            optimisation=Optimisation(
                learning_rate=5e-5, vision_learning_rate=1e-5, batch_size=128, epochs=5, beta2=0.999
            ),
            formats=("instruction",),
            trains=("vision", "connector", "language"),
            micro_batch_tokens=16384,
        ),
        precision="bf16_weights",
        compile=True,
    )
