"""Complete vision stages for a ViT-L/16, both on all candidate frames, uncropped.

    dinov2_large     DINOv2's recipe for a ViT-L/16 of 100 epochs (facebookresearch/dinov2, ``vitl16_short``)
    dino_fork        what the BabyVLM-V2 scripts run: the SAYCam authors' fork of DINO (eminorhan/dino)

The public DINO pipeline was published for towers up to ViT-B; with its settings a ViT-L/16 came out below a ViT-B
(facebookresearch/dino#138), and long runs at a constant rate collapse more often. So ``saycam`` takes DINOv2's.
"""

from __future__ import annotations

from babyvlm.training.colour_configuration import ColourChanges, ViewChanges
from babyvlm.training.configuration import VisionStage
from babyvlm.training.optimisation import Optimisation

_DINO_COLOURS = ColourChanges(
    jitter_probability=0.8,
    brightness=0.4,
    contrast=0.4,
    saturation=0.2,
    hue=0.1,
    grey_probability=0.2,
    blur_deviation=(0.1, 2.0),
    first_global=ViewChanges(blur_probability=1.0),
    second_global=ViewChanges(blur_probability=0.1, solarise_probability=0.2),
    local=ViewChanges(blur_probability=0.5),
)
"""DINO's and DINOv2's."""


def dinov2_large() -> VisionStage:
    """DINOv2's recipe for a ViT-L/16.

    DEVIATION: the rate falls to 0 and not to 1e-6; masked patches are drawn one by one and not in blocks; the two
    clipped parts are the student's tower and head.
    """
    return VisionStage(
        optimisation=Optimisation(
            learning_rate=4e-3,  # for 1,024 frames a step
            batch_size=1024,
            epochs=100,
            warmup_fraction=0.1,
            weight_decay=0.04,
            weight_decay_end=0.4,
            beta2=0.999,
            clip_norm=3.0,
            clip_over="module",
            layerwise_decay=0.9,
            patch_embedding_rate=0.2,
        ),
        micro_batch=32,
        frames="candidates",
        uncropped=True,
        global_scale=(0.32, 1.0),
        local_scale=(0.05, 0.32),
        colour=_DINO_COLOURS,
        teacher_temperature_start=0.04,
        teacher_temperature=0.07,
        teacher_temperature_rise=0.3,
        teacher_momentum=0.992,
        frozen_prototypes=0.01,
        drop_path=0.3,
        drop_path_uniform=True,
        layer_scale=1e-5,
        masked_patch_weight=1.0,
        koleo_weight=0.1,
    )


def dino_fork(devices: int) -> VisionStage:
    """The fork's vision stage; what its README does not set is DINO's, and 100 epochs are ours.

    Args:
        devices: How many share a step, of 116 frames each.
    """
    return VisionStage(
        optimisation=Optimisation(
            learning_rate=1e-4,
            schedule="constant",
            batch_size=116 * devices,
            epochs=100,
            warmup_fraction=0.0,
            weight_decay=0.0,
            beta2=0.999,
            clip_norm=1.0,
            clip_over="parameter",
        ),
        micro_batch=29,
        frames="candidates",
        uncropped=True,
        global_scale=(0.2, 1.0),
        local_scale=(0.05, 0.2),
        colour=_DINO_COLOURS,
        teacher_momentum=0.9995,
        frozen_prototypes=0.01,
        drop_path=0.1,
    )
