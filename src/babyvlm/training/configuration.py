"""What can be set about training: one dataclass for each kind of stage, and the recipe that holds them all.

    vision ──┬── alignment ── joint ── instruction
    language ┘
        └─ contrastive, where a recipe asks for it

Paper, section on the training recipe; the figures are those of the published training scripts. In the docstrings of
settings, "paper" and "published" name the source, and "(ours)" what is in neither the paper nor its scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from babyvlm.errors import ConfigError
from babyvlm.model.configuration import ModelShape
from babyvlm.model.processing import Template
from babyvlm.names import MODEL_STAGES, STAGES
from babyvlm.parts import Part
from babyvlm.training.colour_configuration import ColourChanges
from babyvlm.training.contrastive_configuration import ContrastiveStage
from babyvlm.training.marks import KeepAt, require_marks
from babyvlm.training.objectives import DISTILLATION
from babyvlm.training.objectives import REGISTRY as OBJECTIVES
from babyvlm.training.optimisation import Optimisation, refuse_if
from babyvlm.training.order import DataOrder

Sharding = Literal["ddp", "fsdp", "hybrid"]
Precision = Literal["bf16", "bf16_weights", "no"]


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
    colour: ColourChanges = field(default_factory=ColourChanges)
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
        refuse_if(self.optimisation.steps is None and self.optimisation.epochs is None, "vision: set steps or epochs")
        refuse_if(
            self.micro_batch is not None and self.micro_batch < 1,
            f"vision.micro_batch={self.micro_batch} must be at least 1",
        )
        refuse_if(not 0 <= self.drop_path < 1, f"vision.drop_path={self.drop_path} must be in [0, 1)")
        for name in ("teacher_temperature_rise", "frozen_prototypes"):
            refuse_if(not 0 <= getattr(self, name) <= 1, f"vision.{name}={getattr(self, name)} must be in [0, 1]")
        refuse_if(
            (self.teacher_temperature_start is None) != (self.teacher_temperature_rise == 0),
            "vision: set teacher_temperature_start and teacher_temperature_rise together",
        )
        refuse_if(self.local_views < 0, f"vision.local_views={self.local_views} must not be negative")
        low, high = self.window_scale
        refuse_if(not 0 < low <= high <= 1, f"vision.window_scale={self.window_scale}: two fractions, in order")
        refuse_if(
            not 0 < self.collapse_patience <= 1,
            f"vision.collapse_patience={self.collapse_patience} is a fraction above 0",
        )
        refuse_if(self.window_tries < 1, f"vision.window_tries={self.window_tries} must be at least 1")
        for name in ("masked_patch_weight", "koleo_weight"):
            refuse_if(getattr(self, name) < 0, f"vision.{name}={getattr(self, name)} must not be negative")
        low, high = self.masked_patches
        refuse_if(not 0 < low <= high < 1, f"vision.masked_patches={self.masked_patches}: two fractions, in order")
        refuse_if(not 0 < self.masked_views <= 1, f"vision.masked_views={self.masked_views} is a fraction above 0")


@dataclass(frozen=True, kw_only=True)
class LanguageStage:
    """Stage 0, language: the LLaMA alone on packed utterances (published scripts)."""

    optimisation: Optimisation
    packed_tokens: int = 8192
    """Length of a packed sequence, tokens (published)."""
    micro_batch_tokens: int = 32768
    """Largest forward pass, padded tokens (ours)."""
    order: DataOrder = field(default_factory=DataOrder)
    """In which order utterances are met; those of an ordered stage are packed in it."""
    keep_at: KeepAt = ()
    """Checkpoints to keep, by words heard: ``percent``, ``words``, or marks of one's own such as ``('5%', '1M')``
    (ours; BabyLM's names)."""

    def __post_init__(self) -> None:
        require_marks(self.keep_at, "language")


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
        refuse_if(self.vision_rate < 0, f"vision_rate={self.vision_rate} must not be negative")
        refuse_if(not 0 < self.until <= 1, f"until={self.until} must be in (0, 1]")
        refuse_if(any(weight < 0 for weight in self.weights.values()), "mixture weights must not be negative")


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


OWN_WORDS = "own_words"
"""What the contrastive stage's own word items are called: their source in mixtures, and their folder in a run."""


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
    vision_until: float = 1.0
    """Fraction of the steps after which a tower that learns is frozen (ours)."""
    begin_again: bool = False
    """Whether the connector and the language model then begin again with the stage's first weights, at its first rates:
    the steps before were for the tower alone (ours)."""
    cache_vision_features: bool = False
    """Encode every picture once, as soon as the tower is frozen, and keep the features in memory (ours)."""
    samples: SampleRules = SampleRules()
    """What becomes of odd records."""
    connector_from: Literal["alignment"] | None = None
    """Stage whose connector is put over that of the stage before; None for none (published: the instruction script puts
    the alignment stage's over the joint stage's)."""
    whiten_connector: bool = False
    """Centre and whiten the connector's output before the stage (ours; not done in the published scripts)."""
    own_words: int = 0
    """Word items that the contrastive stage makes of training frames for the instruction stage; mixtures call them
    ``own_words``. 0 for none (ours)."""
    order: DataOrder = field(default_factory=DataOrder)
    """In which order samples are met."""
    keep_at: KeepAt = ()
    """Checkpoints to keep, by words heard: ``percent``, ``words``, or marks of one's own such as ``('5%', '1M')``
    (ours; BabyLM's names)."""

    def __post_init__(self) -> None:
        require_marks(self.keep_at, "a stage")
        refuse_if(not self.trains, "a stage must train something")
        refuse_if(self.own_words < 0, f"own_words={self.own_words} must not be negative")
        refuse_if(
            self.own_words > 0 and self.formats != ("instruction",),
            "own_words are items: they go with formats=('instruction',)",
        )
        refuse_if(
            self.own_words > 0 and self.order.is_timed,
            "own_words are made of all training frames: they go with no order of time",
        )
        refuse_if(not 0 < self.vision_until <= 1, f"vision_until={self.vision_until} must be in (0, 1]")
        learns = "vision" in self.trains
        refuse_if(self.vision_until < 1 and not learns, "vision_until goes with vision in trains")
        refuse_if(
            self.vision_until < 1 and set(self.trains) == {"vision"},
            "trains: nothing would learn once the tower is frozen at vision_until",
        )
        refuse_if(self.begin_again and self.vision_until == 1, "begin_again goes with vision_until below 1")
        refuse_if(
            self.cache_vision_features and learns and self.vision_until == 1,
            "cache_vision_features needs a frozen vision tower, but the stage trains it; see vision_until",
        )
        ends = [phase.until for phase in self.mixture]
        refuse_if(
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
    contrastive: ContrastiveStage = field(default_factory=ContrastiveStage)
    """Pictures and utterances into one space, after the language stage (ours; not among the published stages)."""
    tower_from: Literal["vision", "contrastive"] = "vision"
    """Stage whose tower the whole model is given before alignment (published: vision)."""
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
    """Seconds between two checkpoints that an interrupted stage resumes from."""

    def __post_init__(self) -> None:
        if self.vision.local_size % self.model.patch_size:
            raise ConfigError(
                f"vision.local_size={self.vision.local_size} is no multiple of model.patch_size={self.model.patch_size}"
            )
        refuse_if(self.validations < 0, f"validations={self.validations} must not be negative")
        refuse_if(self.validation_samples < 1, f"validation_samples={self.validation_samples} must be at least 1")
        if self.cpu_processes < 1:
            raise ConfigError(f"cpu_processes={self.cpu_processes} must be at least 1")
        refuse_if(
            self.tower_from == "contrastive" and "vision" not in self.contrastive.trains,
            "tower_from=contrastive: the stage does not train the tower; add vision to contrastive.trains",
        )
        refuse_if(
            self.instruction.own_words > 0 and self.contrastive.text != "words",
            "instruction.own_words needs contrastive.text=words: vectors of single words say what a picture shows",
        )
        for stage in MODEL_STAGES:
            optimisation: Optimisation = getattr(self, stage).optimisation
            refuse_if(
                self.sharding != "ddp" and getattr(getattr(self, stage), "vision_until", 1.0) < 1,
                f"{stage}.vision_until goes with sharding=ddp alone: what is in shards stays so",
            )
            if self.sharding != "ddp" and optimisation.matrix_learning_rate is not None:
                raise ConfigError(
                    f"sharding={self.sharding}: Muon needs whole matrices; "
                    f"set {stage}.optimisation.matrix_learning_rate=none"
                )
        if self.language.packed_tokens > self.model.context:
            raise ConfigError(
                f"language.packed_tokens={self.language.packed_tokens} exceeds model.context={self.model.context}"
            )


_ADDED: Mapping[str, Any] = {
    "order": asdict(DataOrder()), "keep_at": (), "own_words": 0, "vision_until": 1.0, "begin_again": False,
}  # fmt: skip
"""Settings of a stage that recipes had no choice of at first, as they were then."""


def saved_settings(
    settings: Recipe | VisionStage | ContrastiveStage | LanguageStage | MultimodalStage,
) -> dict[str, Any]:
    """Every setting as a run saves and compares it.

    What recipes had no choice of at first is left out where it is as it was then: what was begun before resumes.
    """
    saved = asdict(settings)
    if isinstance(settings, Recipe) and (settings.contrastive, settings.tower_from) == (ContrastiveStage(), "vision"):
        del saved["contrastive"], saved["tower_from"]
    vision = saved["vision"] if isinstance(settings, Recipe) else saved
    if vision.get("objective") == DISTILLATION:
        del vision["objective"]
    for stage in (saved.get(name) for name in STAGES) if isinstance(settings, Recipe) else (saved,):
        for name, unset in _ADDED.items():
            if stage is not None and stage.get(name) == unset:
                del stage[name]
    return saved
