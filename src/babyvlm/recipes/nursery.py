"""A few million parameters on two CPU cores: the same five stages, for the simulated nursery or a small corpus."""

from __future__ import annotations

from babyvlm.model.configuration import ModelShape
from babyvlm.training.configuration import LanguageStage, MultimodalStage, Optimisation, Recipe, VisionStage


def nursery() -> Recipe:
    """Five stages that take about nine minutes together on two cores."""
    return Recipe(
        name="nursery",
        model=ModelShape(
            image_size=64,
            patch_size=16,
            vision_width=192,
            vision_layers=4,
            vision_heads=6,
            text_width=192,
            text_layers=6,
            text_heads=6,
            text_kv_heads=6,
            text_intermediate=512,
            vocabulary=800,
            context=1024,
        ),
        vision=VisionStage(
            optimisation=Optimisation(
                learning_rate=1e-3, batch_size=48, steps=150, warmup_fraction=0.1, weight_decay=0.04, clip_norm=3.0
            ),
            local_views=4,
            local_size=32,
            local_scale=(0.05, 0.4),
            source_size=96,
            flip_probability=0.0,
            prototypes=1024,
            head_width=256,
            bottleneck=64,
            teacher_momentum=0.99,
        ),
        language=LanguageStage(
            optimisation=Optimisation(learning_rate=2e-3, batch_size=16, steps=60, weight_decay=0.1),
            packed_tokens=128,
            micro_batch_tokens=4096,
        ),
        alignment=MultimodalStage(
            optimisation=Optimisation(learning_rate=3e-3, batch_size=32, steps=60),
            formats=("image",),
            trains=("connector",),
            template="baby_plain",
            micro_batch_tokens=4096,
            cache_vision_features=True,
        ),
        joint=MultimodalStage(
            optimisation=Optimisation(learning_rate=1e-3, batch_size=32, steps=300),
            formats=("image", "video", "interleaved"),
            trains=("connector", "language"),
            micro_batch_tokens=4096,
            cache_vision_features=True,
        ),
        instruction=MultimodalStage(
            optimisation=Optimisation(learning_rate=1e-3, vision_learning_rate=1e-3, batch_size=32, steps=1200),
            formats=("instruction",),
            trains=("vision", "connector", "language"),
            micro_batch_tokens=4096,
        ),
        attention="eager",
    )
