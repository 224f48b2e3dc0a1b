"""Two million parameters on two CPU cores: the stages of the paper, for the simulated nursery or a small corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from babyvlm.model.configuration import ModelShape
from babyvlm.training.colour_configuration import ColourChanges
from babyvlm.training.configuration import (
    OWN_WORDS,
    LanguageStage,
    MixturePhase,
    MultimodalStage,
    Recipe,
    VisionStage,
)
from babyvlm.training.contrastive_configuration import ContrastiveStage
from babyvlm.training.optimisation import Optimisation

_Phases = tuple[tuple[int, Mapping[str, float]], ...]
"""Steps, and how often each source is drawn."""
_SEEING: Mapping[str, float] = {
    "object_counting": 0.45,
    "localization": 0.2,
    "who_has_more_naturalistic": 0.12,
    "visual_delayed_response_open": 0.1,
    "who_has_more_synthetic": 0.05,
    "left_right.easy": 0.05,
    "visual_delayed_response_binary": 0.03,
}
"""While the tower learns."""
_SHORT: _Phases = (
    (100, {"left_right.easy": 1.0}),
    (110, {"left_right.easy": 0.1, "left_right": 0.4, "spatial_details.easy": 0.5}),
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
    ),
)
_MATCHING: Mapping[str, float] = {"left_right.easy": 1.0}
"""Comparing pictures at all."""
_WORDS: Mapping[str, float] = {
    "picture_vocabulary": 0.5,
    "picture_vocabulary.easy": 0.25,
    "memory.easy": 0.2,
    "left_right.easy": 0.05,
}
_OWN: Mapping[str, float] = {
    OWN_WORDS: 0.45,
    "picture_vocabulary": 0.22,
    "memory.easy": 0.2,
    "left_right.easy": 0.08,
    "picture_vocabulary.easy": 0.05,
}
"""Words of the contrastive stage's own, heard only ones among them."""
_COMPARING: Mapping[str, float] = {
    "left_right": 0.25,
    "spatial_details.easy": 0.25,
    "memory.easy": 0.15,
    OWN_WORDS: 0.12,
    "picture_vocabulary": 0.12,
    "left_right.easy": 0.11,
}
"""Pictures that are harder to tell apart."""
_EVERYTHING: Mapping[str, float] = {
    "object_counting": 0.2,
    "picture_vocabulary": 0.13,
    OWN_WORDS: 0.13,
    "localization": 0.1,
    "visual_delayed_response_open": 0.09,
    "spatial_details": 0.08,
    "who_has_more_naturalistic": 0.08,
    "memory.easy": 0.04,
    "visual_delayed_response_binary": 0.04,
    "left_right": 0.03,
    "spatial_details.easy": 0.025,
    "left_right.easy": 0.02,
    "who_has_more_synthetic": 0.02,
    "memory": 0.015,
}
_LONG: _Phases = (
    (800, _SEEING),
    (100, _MATCHING),
    (550, _WORDS),
    (400, _OWN),
    (300, _COMPARING),
    (3000, _EVERYTHING),
)


_MODEL = ModelShape(
    image_size=64,
    image_fit="stretch",
    patch_size=16,
    stem=(32, 64, 64, 128, 128, 256),
    stem_keeps_spread=True,
    vision_width=128,
    vision_layers=1,
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
        learning_rate=1e-3, batch_size=64, steps=100, warmup_fraction=0.1, weight_decay=0.04, clip_norm=3.0
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
    probes=1,
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
    optimisation=Optimisation(learning_rate=1.5e-3, matrix_learning_rate=0.01, batch_size=32, steps=100, beta2=0.99),
    formats=("image", "video", "interleaved"),
    trains=("connector", "language"),
    micro_batch_tokens=16384,
    cache_vision_features=True,
)
_CONTRASTIVE = ContrastiveStage(
    included=True,
    optimisation=Optimisation(
        learning_rate=1e-3, batch_size=64, steps=3000, warmup_fraction=0.05, weight_decay=0.1, beta2=0.98
    ),
    width=128,
    pool="patches",
    view_scale=(0.2, 0.9),
    view_tries=3,
    colour=ColourChanges(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2, grey_probability=0.15),
    shared_words=1.0,
    flip_probability=0.0,  # left and right must stay apart
)


def _instruction(phases: _Phases, own_words: int = 0, tower_learns_first: bool = False) -> MultimodalStage:
    """The instruction stage in these phases; in the first the tower may learn, after which all else begins again."""
    steps, done = sum(steps for steps, _ in phases), 0
    mixture = []
    for own_steps, weights in phases:
        done += own_steps
        mixture.append(MixturePhase(until=done / steps, weights=weights))
    stage = MultimodalStage(
        optimisation=Optimisation(
            learning_rate=1.5e-3, matrix_learning_rate=0.01, batch_size=64, steps=steps, beta2=0.99
        ),
        formats=("instruction",),
        trains=("connector", "language"),
        mixture=tuple(mixture),
        micro_batch_tokens=16384,
        whiten_connector=True,
        cache_vision_features=True,
        own_words=own_words,
    )
    if not tower_learns_first:
        return stage
    return replace(
        stage,
        optimisation=replace(stage.optimisation, vision_learning_rate=7e-4),
        trains=("vision", "connector", "language"),
        vision_until=mixture[0].until,
        begin_again=True,
    )


def nursery() -> Recipe:
    """Six stages for two cores: the published five, and words from pictures and utterances (``contrastive``) before
    the whole model.

    DEVIATION: that stage, whose tower all later ones see with; a stem of convolutions; Muon for the matrices, a larger
    spread of the first weights, pictures stretched to squares, a connector whitened before the instruction stage. The
    vision stage cuts its views from windows with much detail and spreads the class tokens (KoLeo, at a weight of 1):
    views of whole frames of the nursery share little but the ground things lie on. In the instruction stage the tower
    learns at first, from items of counting, places and directions, which utterances teach it little of; then it is
    frozen, each picture is encoded once, and all else begins again: a hundred steps of comparing pictures, then words,
    easy ones often, then words of the contrastive stage's own (``own_words``), with short games of memory beside both,
    then harder comparing, then everything. Words come slowly after more comparing, and games of memory not at all
    after words; mixed from the start, so small a model learns none of them (docs/log.md).
    """
    return Recipe(
        name="nursery",
        model=_MODEL,
        precision="bf16_weights",
        vision=_VISION,
        language=_LANGUAGE,
        contrastive=_CONTRASTIVE,
        tower_from="contrastive",
        alignment=_ALIGNMENT,
        joint=_JOINT,
        instruction=_instruction(_LONG, own_words=15_000, tower_learns_first=True),
        attention="eager",
        validations=4,
        validation_samples=128,
        cpu_processes=2,
    )


def _contrastive(steps: int, flip_probability: float) -> ContrastiveStage:
    optimisation = replace(_CONTRASTIVE.optimisation, steps=steps)
    return replace(_CONTRASTIVE, optimisation=optimisation, flip_probability=flip_probability)


def demo() -> Recipe:
    """The nursery's recipe in less time: five tokens a picture in place of 17, half the contrastive stage, and an
    instruction stage without a phase in which the tower learns, and none of words, which five tokens have not been
    found enough for."""
    long = nursery()
    return replace(
        long,
        name="demo",
        model=replace(long.model, patch_size=32),
        contrastive=_contrastive(1500, flip_probability=0.0),
        instruction=_instruction(_SHORT),
    )


def experience() -> Recipe:
    """Words from pictures and utterances alone: the vision stage and the contrastive stage, for two cores.

    Later stages are those of ``demo``. The patches, averaged by gates, stand for a picture: with a tower of 16-pixel
    patches and its class token words come several times slower (docs/log.md).
    """
    return replace(
        demo(),
        name="experience",
        model=nursery().model,
        contrastive=_contrastive(5200, flip_probability=0.5),
    )
