"""Two million parameters on two CPU cores: the same five stages, for the simulated nursery or a small corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from babyvlm.model.configuration import ModelShape
from babyvlm.training.colour_configuration import ColourChanges
from babyvlm.training.configuration import LanguageStage, MixturePhase, MultimodalStage, Recipe, VisionStage
from babyvlm.training.contrastive_configuration import ContrastiveStage
from babyvlm.training.optimisation import Optimisation

_ALIKE = {"left_right.easy": 0.5, "spatial_details.easy": 0.5}
_SAME = {
    "left_right": 0.3,
    "spatial_details": 0.3,
    "left_right.easy": 0.1,
    "spatial_details.easy": 0.1,
    "who_has_more_synthetic": 0.1,
    "who_has_more_naturalistic": 0.1,
}
_MORE = {
    "who_has_more_synthetic": 0.4,
    "who_has_more_naturalistic": 0.4,
    "localization": 0.1,
    "left_right": 0.05,
    "spatial_details": 0.05,
}
_WHERE = {
    "localization": 0.62,
    "who_has_more_synthetic": 0.1,
    "who_has_more_naturalistic": 0.1,
    "object_counting": 0.1,
    "left_right": 0.04,
    "spatial_details": 0.04,
}
_LEAVING = {
    "visual_delayed_response_open": 0.4,
    "visual_delayed_response_binary": 0.18,
    "localization": 0.14,
    "who_has_more_synthetic": 0.1,
    "who_has_more_naturalistic": 0.1,
    "left_right": 0.04,
    "spatial_details": 0.04,
}
_SEEN = {
    "object_counting": 0.21,
    "who_has_more_synthetic": 0.17,
    "who_has_more_naturalistic": 0.14,
    "localization": 0.13,
    "visual_delayed_response_open": 0.08,
    "visual_delayed_response_binary": 0.05,
    "left_right": 0.08,
    "spatial_details": 0.08,
}
_SEEN_AND_EASY_WORDS = _SEEN | {"picture_vocabulary.easy": 1.0, "memory.easy": 0.1}
_EASY_WORDS = {"picture_vocabulary.easy": 0.92, "left_right": 0.04, "spatial_details": 0.04}
_WORDS = {
    "picture_vocabulary": 0.5,
    "picture_vocabulary.easy": 0.25,
    "memory.easy": 0.1,
    "memory": 0.02,
    "localization": 0.04,
    "left_right": 0.03,
    "spatial_details": 0.03,
    "visual_delayed_response_open": 0.03,
    "who_has_more_synthetic": 0.025,
    "who_has_more_naturalistic": 0.025,
}
_Phases = tuple[tuple[int, Mapping[str, float], float], ...]
"""Steps, how often each source is drawn, and what the tower's rate is multiplied by; 1 where it is frozen."""
_SHORT: _Phases = (
    (100, {"left_right.easy": 1.0}, 1.0),
    (110, {"left_right.easy": 0.1, "left_right": 0.4, "spatial_details.easy": 0.5}, 1.0),
    (
        890,
        {
            "object_counting": 0.25,
            "localization": 0.2,
            "who_has_more_naturalistic": 0.13,
            "visual_delayed_response_open": 0.12,
            "spatial_details": 0.1,
            "left_right": 0.08,
            "visual_delayed_response_binary": 0.06,
            "who_has_more_synthetic": 0.06,
            "memory.easy": 0.06,
            "memory": 0.02,
            "picture_vocabulary": 0.02,
            "left_right.easy": 0.02,
            "spatial_details.easy": 0.02,
        },
        1.0,
    ),
)
_LONG: _Phases = (
    (200, _ALIKE, 0.33),
    (60, _SAME, 0.33),
    (260, _MORE, 0.5),
    (260, _WHERE, 0.5),
    (240, _LEAVING, 0.5),
    (800, _SEEN_AND_EASY_WORDS, 0.5),
    (220, _EASY_WORDS, 0.5),
    (500, _WORDS, 0.5),
    (480, _SEEN | {"picture_vocabulary": 0.6, "memory": 0.06}, 0.5),
)


_MODEL = ModelShape(
    image_size=64,
    image_fit="stretch",
    patch_size=16,
    vision_width=128,
    vision_layers=4,
    vision_heads=4,
    text_width=128,
    text_layers=4,
    text_heads=4,
    text_kv_heads=4,
    text_intermediate=352,
    vocabulary=800,
    context=1536,
    text_norm_eps=1e-6,
    initial_std=0.07,
)
_VISION = VisionStage(
    optimisation=Optimisation(
        learning_rate=1e-3, batch_size=64, steps=200, warmup_fraction=0.1, weight_decay=0.04, clip_norm=3.0
    ),
    local_views=4,
    local_size=32,
    global_scale=(0.6, 1.0),
    local_scale=(0.2, 0.5),
    source_size=160,
    window_scale=(0.05, 0.25),
    flip_probability=0.0,
    prototypes=1024,
    head_width=256,
    bottleneck=64,
    teacher_momentum=0.99,
    koleo_weight=1.0,
    probes=4,
)
_LANGUAGE = LanguageStage(
    optimisation=Optimisation(
        learning_rate=1.5e-3, matrix_learning_rate=0.01, batch_size=16, steps=60, weight_decay=0.1, beta2=0.99
    ),
    packed_tokens=128,
    micro_batch_tokens=16384,
)
_ALIGNMENT = MultimodalStage(
    optimisation=Optimisation(learning_rate=3e-3, batch_size=32, steps=60, beta2=0.99),
    formats=("image",),
    trains=("connector",),
    template="baby_plain",
    micro_batch_tokens=16384,
    cache_vision_features=True,
)
_JOINT = MultimodalStage(
    optimisation=Optimisation(learning_rate=1.5e-3, matrix_learning_rate=0.01, batch_size=32, steps=200, beta2=0.99),
    formats=("image", "video", "interleaved"),
    trains=("connector", "language"),
    micro_batch_tokens=16384,
    cache_vision_features=True,
)
_CONTRASTIVE = ContrastiveStage(
    optimisation=Optimisation(learning_rate=2e-3, batch_size=64, steps=400, warmup_fraction=0.1, weight_decay=0.05),
    width=128,
)
_STEM = (32, 64, 64, 128, 128, 256)
_WORDS_FIRST = ContrastiveStage(
    included=True,
    optimisation=Optimisation(
        learning_rate=1e-3, batch_size=64, steps=1500, warmup_fraction=0.05, weight_decay=0.1, beta2=0.98
    ),
    width=128,
    pool="patches",
    view_scale=(0.2, 0.9),
    view_tries=3,
    colour=ColourChanges(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2, grey_probability=0.15),
    shared_words=1.0,
)


def _one_after_another(phases: _Phases) -> tuple[int, tuple[MixturePhase, ...]]:
    """All steps, and the phases by the fractions at which they end."""
    steps, done = sum(steps for steps, _, _ in phases), 0
    mixture = []
    for own_steps, weights, vision_rate in phases:
        done += own_steps
        mixture.append(MixturePhase(until=done / steps, weights=weights, vision_rate=vision_rate))
    return steps, tuple(mixture)


def demo() -> Recipe:
    """The nursery's recipe in less time, words from pictures and utterances first, for items constructed as published.

    DEVIATION, besides the nursery's: a stem of convolutions, five tokens a picture, and a contrastive stage, whose
    tower is what the later stages see with. It stays as it is in the instruction stage, so that each picture is encoded
    once: a step takes less than half of what it takes where the tower learns, and more is learned in as many
    (docs/log.md).
    """
    long = nursery()
    steps, mixture = _one_after_another(_SHORT)
    instruction = replace(
        long.instruction,
        optimisation=replace(
            long.instruction.optimisation, steps=steps, learning_rate=1.5e-3, matrix_learning_rate=0.01
        ),
        trains=("connector", "language"),
        mixture=mixture,
        cache_vision_features=True,
    )
    return replace(
        long,
        name="demo",
        model=replace(long.model, patch_size=32, stem=_STEM, stem_keeps_spread=True, vision_layers=1),
        precision="bf16_weights",
        vision=replace(long.vision, optimisation=replace(long.vision.optimisation, steps=100), probes=1),
        contrastive=replace(_WORDS_FIRST, flip_probability=0.0),  # left and right must stay apart
        tower_from="contrastive",
        joint=replace(long.joint, optimisation=replace(long.joint.optimisation, steps=100)),
        instruction=instruction,
    )


def experience() -> Recipe:
    """Words from pictures and utterances alone: the vision stage and the contrastive stage, for two cores.

    Both encoders are the contrastive stage's; later stages are those of ``demo``. DEVIATION: as in ``demo``, the stem
    is a small convolutional network, here with 4 x 4 patches behind it; the patches, averaged by gates, stand for a
    picture. With the nursery's tower and its class token words come several times slower (docs/log.md).
    """
    short = demo()
    longer = replace(_WORDS_FIRST.optimisation, steps=5200)
    return replace(
        short,
        name="experience",
        model=replace(short.model, patch_size=16),
        contrastive=replace(_WORDS_FIRST, optimisation=longer),
    )


def nursery() -> Recipe:
    """Five stages for two cores.

    DEVIATION: Muon for the matrices, a larger spread of the first weights, pictures stretched to squares. The vision
    stage cuts its views from windows with much detail and spreads the class tokens (KoLeo, at a weight of 1): views of
    whole frames of the nursery share little but the ground things lie on, and that is what it learned. In the
    instruction stage the connector is whitened first, the tower is trained at a third and then half of the common rate,
    and one group of tasks follows another, easy matching first, easy words after a while with all else: mixed from the
    start, so small a model learns none of them in as many samples (docs/log.md).
    """
    steps, mixture = _one_after_another(_LONG)
    return Recipe(
        name="nursery",
        model=_MODEL,
        vision=_VISION,
        language=_LANGUAGE,
        alignment=_ALIGNMENT,
        joint=_JOINT,
        instruction=MultimodalStage(
            optimisation=Optimisation(
                learning_rate=9e-4, matrix_learning_rate=6e-3, batch_size=64, steps=steps, beta2=0.99
            ),
            formats=("instruction",),
            trains=("vision", "connector", "language"),
            mixture=mixture,
            micro_batch_tokens=16384,
            whiten_connector=True,
        ),
        contrastive=_CONTRASTIVE,
        attention="eager",
        validations=4,
        validation_samples=128,
        cpu_processes=2,
    )
