"""What can be set about training: one dataclass for each kind of stage, and the recipe that holds them all.

    vision ──┐
             ├── alignment ── joint ── instruction
    language ┘

Paper, section on the training recipe; the figures are those of the published training scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import ModelShape
from babyvlm.model.processing import Template
from babyvlm.training.objectives import DISTILLATION
from babyvlm.training.objectives import REGISTRY as OBJECTIVES

StageName = Literal["vision", "language", "alignment", "joint", "instruction"]
STAGES: tuple[StageName, ...] = ("vision", "language", "alignment", "joint", "instruction")
Part = Literal["vision", "connector", "language"]
Sharding = Literal["ddp", "fsdp", "hybrid"]
Precision = Literal["bf16", "bf16_weights", "no"]
ClipOver = Literal["all", "module", "parameter"]


def _refuse(condition: bool, message: str) -> None:
    if condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """Linear warm-up and cosine decay to zero (published scripts)."""

    learning_rate: float
    """Peak learning rate of the trained parts."""
    vision_learning_rate: float | None = None
    """Peak learning rate of the vision tower where it differs (published: 1e-5 asked for in the instruction stage, and
    never applied, for no parameter has the name that is looked for)."""
    batch_size: int
    """Samples an optimizer step, over all devices."""
    steps: int | None = None
    """Optimizer steps. Set this or ``epochs``."""
    epochs: float | None = None
    """Passes over the data. Set this or ``steps``."""
    warmup_fraction: float = 0.03
    """Part of the steps over which the rate rises from zero (published: 3%)."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """The rate after the warm-up: along a cosine to zero (published for stages with a language model), or constant."""
    weight_decay: float = 0.0
    """Decoupled weight decay of matrices; biases and norms have none (published: 0, language stage 0.1)."""
    weight_decay_end: float | None = None
    """What the weight decay comes to along a cosine; None keeps it constant (DINO and DINOv2: 0.4)."""
    beta1: float = 0.9
    """AdamW's first moment (published)."""
    beta2: float = 0.95
    """AdamW's second moment (published for the language stage)."""
    clip_norm: float | None = 1.0
    """Largest gradient norm; None for no clipping (published: 1 in the language stage, none in the later ones)."""
    clip_over: ClipOver = "all"
    """What has that norm at most: all gradients together, those of the tower and of its head each (DINOv2), or those of
    each parameter (DINO)."""
    layerwise_decay: float = 1.0
    """What the tower's rate is multiplied by from each layer to the one before it (DINOv2: 0.9)."""
    patch_embedding_rate: float = 1.0
    """What the rate of the tower's patch embedding is multiplied by, besides (DINOv2: 0.2)."""
    matrix_learning_rate: float | None = None
    """Peak learning rate of Muon (Jordan et al. 2024) for the matrices inside the blocks; AdamW keeps the rest. None
    for AdamW throughout, as published."""

    def __post_init__(self) -> None:
        _refuse((self.steps is None) == (self.epochs is None), "set either steps or epochs of a stage, not both")
        _refuse(self.steps is not None and self.steps < 1, f"steps={self.steps} must be at least 1")
        _refuse(self.batch_size < 1, f"batch_size={self.batch_size} must be at least 1")
        _refuse(
            self.clip_norm is not None and self.clip_norm <= 0,
            f"clip_norm={self.clip_norm} must be above 0, or none for no clipping",
        )
        _refuse(self.learning_rate <= 0, f"learning_rate={self.learning_rate} must be above 0")
        _refuse(not 0 <= self.warmup_fraction < 1, f"warmup_fraction={self.warmup_fraction} must be in [0, 1)")
        _refuse(not 0 < self.layerwise_decay <= 1, f"layerwise_decay={self.layerwise_decay} must be in (0, 1]")
        _refuse(self.patch_embedding_rate <= 0, f"patch_embedding_rate={self.patch_embedding_rate} must be above 0")


@dataclass(frozen=True, kw_only=True)
class ViewChanges:
    """How often one kind of view is blurred and solarised."""

    blur_probability: float = 0.0
    """How often a view is blurred (DINO: 1 for the first global view, 0.1 for the second, 0.5 for local ones)."""
    solarise_probability: float = 0.0
    """How often a view's bright pixels are inverted (DINO: 0.2 for the second global view, else 0)."""

    def __post_init__(self) -> None:
        for name in ("blur_probability", "solarise_probability"):
            _refuse(not 0 <= getattr(self, name) <= 1, f"{name}={getattr(self, name)} must be in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class ColourChanges:
    """How much a view's colours change."""

    jitter_probability: float = 1.0
    """How often brightness, contrast, saturation and hue change (DINO: 0.8)."""
    brightness: float = 0.4
    """Largest relative change (DINO)."""
    contrast: float = 0.4
    """Largest relative change (DINO)."""
    saturation: float = 0.4
    """Largest relative change (DINO: 0.2)."""
    hue: float = 0.0
    """Largest change, whole turns (DINO: 0.1)."""
    grey_probability: float = 0.1
    """How often a view loses its colours (DINO: 0.2)."""
    blur_deviation: tuple[float, float] = (0.1, 2.0)
    """Smallest and largest standard deviation of a blur, pixels (DINO)."""
    first_global: ViewChanges = ViewChanges()
    """Of the first global view."""
    second_global: ViewChanges = ViewChanges()
    """Of the second global view."""
    local: ViewChanges = ViewChanges()
    """Of local views."""

    def __post_init__(self) -> None:
        for name in ("jitter_probability", "grey_probability"):
            _refuse(not 0 <= getattr(self, name) <= 1, f"{name}={getattr(self, name)} must be in [0, 1]")
        for name in ("brightness", "contrast", "saturation"):
            _refuse(getattr(self, name) < 0, f"{name}={getattr(self, name)} must not be negative")
        _refuse(not 0 <= self.hue <= 0.5, f"hue={self.hue} must be in [0, 0.5]")
        low, high = self.blur_deviation
        _refuse(not 0 < low <= high, f"blur_deviation={self.blur_deviation}: two numbers above 0, in order")


@dataclass(frozen=True, kw_only=True)
class VisionStage:
    """Stage 0, vision: self-distillation without labels (DINO, Caron et al. 2021) on the corpus's frames."""

    objective: str = DISTILLATION
    """What the tower learns by: ``distillation``, or an objective that another package adds (ours)."""
    optimisation: Optimisation
    """AdamW; the published scripts run the public DINO pipeline."""
    micro_batch: int | None = None
    """Largest forward pass, frames with all their views; None for all that a process has of a step. Gradients add up to
    those of the step, but for KoLeo's, which sees one pass at a time (ours)."""
    frames: Literal["pairs", "candidates"] = "pairs"
    """Frames of the image-utterance pairs alone, or all candidate frames (published: all)."""
    uncropped: bool = False
    """Cut views from the frame itself; otherwise from the square that the model sees, with its bars (published: from
    the frame)."""
    global_scale: tuple[float, float] = (0.4, 1.0)
    """Area of a global view, fraction of the frame (DINO)."""
    local_scale: tuple[float, float] = (0.05, 0.4)
    """Area of a local view, fraction of the frame (DINO)."""
    local_views: int = 8
    """Local views of each frame (DINO)."""
    local_size: int = 96
    """Side of a local view, pixels; a multiple of the patch size (DINO)."""
    source_size: int = 256
    """Side at which frames are kept to cut views from, pixels (ours)."""
    window_scale: tuple[float, float] = (1.0, 1.0)
    """Area of the window of a frame that all its views are cut from, fraction of the frame; by default it is the frame
    itself (ours)."""
    window_tries: int = 8
    """Windows that are drawn, of which the one with most detail is taken (ours)."""
    flip_probability: float = 0.5
    """How often a view is mirrored (DINO); 0 keeps left and right apart."""
    colour: ColourChanges = ColourChanges()
    """How the colours of a view change."""
    prototypes: int = 65536
    """Output size of the projection head (DINO)."""
    head_width: int = 2048
    """Hidden width of the projection head (DINO)."""
    bottleneck: int = 256
    """Width before the prototypes (DINO)."""
    student_temperature: float = 0.1
    """Softmax temperature of the student (DINO)."""
    teacher_temperature: float = 0.04
    """Softmax temperature of the teacher (DINO; DINOv2: 0.07)."""
    teacher_temperature_start: float | None = None
    """Where it rises from; None for where it is (DINOv2: 0.04)."""
    teacher_temperature_rise: float = 0.0
    """Part of the steps over which it rises (DINOv2: 30 of 100 epochs)."""
    frozen_prototypes: float = 0.0
    """Part of the steps at the beginning over which the prototypes do not learn (DINO and DINOv2: 1 of 100 epochs)."""
    drop_path: float = 0.0
    """How often a branch of a student's layer is left out for a picture (DINO: 0.1; DINOv2's ViT-L: 0.3)."""
    drop_path_uniform: bool = False
    """Whether all layers are left out as often (DINOv2), or earlier ones less often (DINO)."""
    layer_scale: float | None = None
    """First value of a learned factor of each branch, which the finished tower has folded in; None for none
    (DINOv2: 1e-5)."""
    teacher_momentum: float = 0.996
    """Start of the teacher's moving average, rising to 1 along a cosine (DINO)."""
    centre_momentum: float = 0.9
    """Moving average of the teacher's centre (DINO)."""
    masked_patch_weight: float = 0.0
    """Weight of predicting the teacher's patches where the student's are masked (iBOT, Zhou et al. 2022; DINOv2: 1)."""
    masked_views: float = 0.5
    """Part of the global views of which patches are masked (DINOv2)."""
    masked_patches: tuple[float, float] = (0.1, 0.5)
    """Smallest and largest part of such a view's patches that is masked (DINOv2)."""
    koleo_weight: float = 0.0
    """Weight of spreading a batch's class tokens apart (KoLeo, Sablayrolles et al. 2019; DINOv2: 0.1)."""
    probes: int | None = None
    """How often, the last time at its end, held-out pictures are looked up among their nearest neighbours; after the
    first step too, where the tower is still as drawn. None for once an epoch (ours)."""
    collapse_patience: float = 0.05
    """Part of the steps, at least 100, over which a sign of collapse must hold, after the warm-up, before the stage
    stops; 1 for never (ours)."""

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            OBJECTIVES.get(self.objective)  # says which there are
        _refuse(self.optimisation.steps is None and self.optimisation.epochs is None, "vision: set steps or epochs")
        _refuse(
            self.micro_batch is not None and self.micro_batch < 1,
            f"vision.micro_batch={self.micro_batch} must be at least 1",
        )
        _refuse(not 0 <= self.drop_path < 1, f"vision.drop_path={self.drop_path} must be in [0, 1)")
        for name in ("teacher_temperature_rise", "frozen_prototypes"):
            _refuse(not 0 <= getattr(self, name) <= 1, f"vision.{name}={getattr(self, name)} must be in [0, 1]")
        _refuse(
            (self.teacher_temperature_start is None) != (self.teacher_temperature_rise == 0),
            "vision: set teacher_temperature_start and teacher_temperature_rise together",
        )
        _refuse(self.local_views < 0, f"vision.local_views={self.local_views} must not be negative")
        low, high = self.window_scale
        _refuse(not 0 < low <= high <= 1, f"vision.window_scale={self.window_scale}: two fractions, in order")
        _refuse(
            not 0 < self.collapse_patience <= 1,
            f"vision.collapse_patience={self.collapse_patience} is a fraction above 0",
        )
        _refuse(self.window_tries < 1, f"vision.window_tries={self.window_tries} must be at least 1")
        for name in ("masked_patch_weight", "koleo_weight"):
            _refuse(getattr(self, name) < 0, f"vision.{name}={getattr(self, name)} must not be negative")
        low, high = self.masked_patches
        _refuse(not 0 < low <= high < 1, f"vision.masked_patches={self.masked_patches}: two fractions, in order")
        _refuse(not 0 < self.masked_views <= 1, f"vision.masked_views={self.masked_views} is a fraction above 0")


@dataclass(frozen=True, kw_only=True)
class LanguageStage:
    """Stage 0, language: the LLaMA alone on packed utterances (published scripts)."""

    optimisation: Optimisation
    packed_tokens: int = 8192
    """Length of a packed sequence, tokens (published)."""
    micro_batch_tokens: int = 32768
    """Largest forward pass, padded tokens (ours)."""


@dataclass(frozen=True, kw_only=True)
class MixturePhase:
    """How often each source is drawn during one part of a stage."""

    until: float = 1.0
    """End of the phase as a fraction of the stage's steps."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Source (a format, or a task of the instruction set) to relative weight. An empty mapping draws every sample
    equally often, as published; otherwise sources left out are not drawn."""
    vision_rate: float = 1.0
    """What the tower's learning rate is multiplied by in this phase (ours)."""

    def __post_init__(self) -> None:
        _refuse(self.vision_rate < 0, f"vision_rate={self.vision_rate} must not be negative")
        _refuse(not 0 < self.until <= 1, f"until={self.until} must be in (0, 1]")
        _refuse(any(weight < 0 for weight in self.weights.values()), "mixture weights must not be negative")


@dataclass(frozen=True, kw_only=True)
class SampleRules:
    """What becomes of records that are odd. The defaults are ours; the published code does each the other way."""

    too_long: Literal["leave out", "cut"] = "leave out"
    """A record longer than the context is left out and counted (ours), or cut there (published)."""
    learn_unknown: bool = True
    """Whether ``<unk>`` in an answer is learned (ours: yes; published: no). Our own tokenizers never write it."""
    strip_prompts: bool = False
    """Whether blanks around a prompt are taken off (published: yes, though its wrapper asks with them)."""
    bare_prompts: bool = False
    """Whether a prompt of ``baby_plain`` is replaced by the picture alone (published: yes)."""
    unplaced_pictures: Literal["first", "drop"] = "first"
    """Pictures of a record without ``<image>`` come first, as evaluation shows them (ours), or are dropped, so that the
    record is learned as text (published)."""


@dataclass(frozen=True, kw_only=True)
class MultimodalStage:
    """Stages 1 to 3: alignment, joint pretraining, instruction tuning (paper)."""

    optimisation: Optimisation
    formats: tuple[Literal["image", "video", "interleaved", "instruction"], ...]
    """Which of the pretraining set's formats are drawn."""
    trains: tuple[Part, ...]
    """Parts that learn; the others are frozen."""
    template: Template = "baby_v1"
    """Conversation template."""
    mixture: tuple[MixturePhase, ...] = (MixturePhase(),)
    """Phases, in order; the last one ends at 1."""
    micro_batch_tokens: int = 32768
    """Largest forward pass, padded tokens (ours)."""
    cache_vision_features: bool = False
    """Encode every picture once beforehand and keep the features in memory; only where the tower is frozen (ours)."""
    samples: SampleRules = SampleRules()
    """What becomes of odd records."""
    connector_from: Literal["alignment"] | None = None
    """Stage whose connector is put over that of the stage before; None for none (published: the instruction script puts
    the alignment stage's over the joint stage's)."""
    whiten_connector: bool = False
    """Centre and whiten the connector's output before the stage (ours; not done in the published scripts)."""

    def __post_init__(self) -> None:
        _refuse(not self.trains, "a stage must train something")
        _refuse(
            self.cache_vision_features and "vision" in self.trains,
            "cache_vision_features needs a frozen vision tower, but the stage trains it",
        )
        ends = [phase.until for phase in self.mixture]
        _refuse(
            not ends or ends != sorted(ends) or ends[-1] != 1.0,
            f"mixture phases must end at ascending fractions, the last at 1; they end at {ends}",
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One complete training configuration."""

    name: str
    """What the recipe is called on the command line."""
    model: ModelShape
    vision: VisionStage
    language: LanguageStage
    alignment: MultimodalStage
    joint: MultimodalStage
    instruction: MultimodalStage
    seed: int = 0
    """Seed of the weights, the order of the data and the views."""
    precision: Precision = "bf16"
    """What is computed in; weights that learn and the optimizer stay in float32 throughout. ``bf16``: matrix products
    in bfloat16, the rest in float32 (autocast); ``bf16_weights``: all of it in bfloat16 with copies of the weights, in
    half the memory (ours); ``no``: float32. Processors without instructions for bfloat16 compute in float32 in any case
    (ours)."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "varlen"] = "auto"
    """Attention kernel. ``varlen`` takes a row of samples in one call, on GPUs, in bfloat16; ``auto`` is ``varlen``
    where that can be had, else ``sdpa`` (ours)."""
    log_every_steps: int = 10
    """Steps between two lines of the log."""
    validations: int = 10
    """How often in a stage the loss on held-out samples is measured, besides after the first step; the last time at the
    stage's end. 0 for never (ours)."""
    validation_samples: int = 512
    """Held-out samples or frames of a stage, at most, evenly over its sources (ours)."""
    cpu_processes: int = 1
    """Processes that share each batch where there is no GPU, at most one a core: narrow models gain little from
    several threads (ours)."""
    sharding: Sharding = "ddp"
    """How several processes share the model: ``ddp``, a copy each; ``fsdp``, a shard each, in the stages that have a
    language model; ``hybrid``, the same with the shards of one copy within a machine and a copy on each (ours)."""
    gradient_checkpointing: bool = False
    """Keep only each layer's input and compute the rest again going backward: less memory, a third more work (ours)."""
    compile: bool = False
    """Compile each layer of the language model with torch.compile; the first steps take minutes (ours)."""
    checkpoint_every_s: float = 300.0
    """Seconds between two checkpoints from which an interrupted stage goes on."""

    def __post_init__(self) -> None:
        if self.vision.local_size % self.model.patch_size:
            raise ConfigError(
                f"vision.local_size={self.vision.local_size} is no multiple of model.patch_size={self.model.patch_size}"
            )
        _refuse(self.validations < 0, f"validations={self.validations} must not be negative")
        _refuse(self.validation_samples < 1, f"validation_samples={self.validation_samples} must be at least 1")
        if self.cpu_processes < 1:
            raise ConfigError(f"cpu_processes={self.cpu_processes} must be at least 1")
        for stage in STAGES:
            optimisation: Optimisation = getattr(self, stage).optimisation
            if self.sharding != "ddp" and stage != "vision" and optimisation.matrix_learning_rate is not None:
                raise ConfigError(
                    f"sharding={self.sharding}: Muon needs whole matrices; "
                    f"set {stage}.optimisation.matrix_learning_rate=none"
                )
        if self.language.packed_tokens > self.model.context:
            raise ConfigError(
                f"language.packed_tokens={self.language.packed_tokens} exceeds model.context={self.model.context}"
            )


def saved_settings(settings: Recipe | VisionStage | LanguageStage | MultimodalStage) -> dict[str, Any]:
    """Every setting as a run saves and compares it.

    The objective is left out where it is the published one: what was begun before there was a choice resumes.
    """
    saved = asdict(settings)
    vision = saved["vision"] if isinstance(settings, Recipe) else saved
    if vision.get("objective") == DISTILLATION:
        del vision["objective"]
    return saved
