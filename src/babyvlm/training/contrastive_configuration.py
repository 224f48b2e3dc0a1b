"""What can be set about the contrastive stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from babyvlm.parts import Part
from babyvlm.training.colour_configuration import NO_COLOUR_CHANGES, ColourChanges
from babyvlm.training.marks import KeepAt, require_marks
from babyvlm.training.optimisation import Optimisation, refuse_if
from babyvlm.training.order import DataOrder


@dataclass(frozen=True, kw_only=True)
class ContrastiveStage:
    """Between the vision stage and alignment, where a recipe asks for it: pictures and utterances into one space (ours;
    as CVCL, Vong et al. 2024)."""

    included: bool = False
    """Whether the stage is run where no stages are named; ``--stage contrastive`` runs it in any case."""
    optimisation: Optimisation = field(
        default_factory=lambda: Optimisation(
            learning_rate=5e-4, batch_size=256, epochs=20, warmup_fraction=0.05, weight_decay=0.1
        )
    )
    """AdamW (CVCL; the rate and the batch are ours)."""
    formats: tuple[Literal["image", "video"], ...] = ("image", "video")
    """Which pairs are learned from; of a clip each draw takes one frame (CVCL)."""
    trains: tuple[Part, ...] = ("vision",)
    """Encoders that learn, besides what puts them into one space; with a frozen tower every picture is encoded once."""
    pool: Literal["class", "patches"] = "class"
    """What of the tower stands for a picture: its class token, or its patches averaged by learned gates, from which a
    small tower learns sooner (ours; CVCL: the mean over a convolutional network's places)."""
    text: Literal["words", "language"] = "words"
    """What reads an utterance: averaged word vectors (CVCL), or the language stage's model."""
    least_count: int = 2
    """How often a word must be heard in training to have a vector (ours)."""
    width: int = 512
    """Width of the common space (CVCL)."""
    loss: Literal["infonce", "sigmoid"] = "infonce"
    """What is minimised (CVCL: InfoNCE)."""
    largest_scale: float = 100.0
    """What cosines are multiplied by at most; the scale is learned (CLIP)."""
    noise_weight: float = 0.0
    """How much less pairs count that the model does not find: a power of the probability (ours); 0 for all alike."""
    regions: int = 1
    """Parts of each frame that are compared with the text; those most like it answer for the frame (ours)."""
    region_scale: tuple[float, float] = (0.1, 0.6)
    """Area of a part, fraction of the frame, where there are several (ours)."""
    view_scale: tuple[float, float] = (0.4, 1.0)
    """Area of the part that is seen where there is one, fraction of the frame (ours)."""
    view_tries: int = 1
    """Views or parts that are drawn for each that is seen, of which the one with most detail is taken (ours)."""
    colour: ColourChanges = NO_COLOUR_CHANGES
    """How the colours of what is seen change (ours)."""
    shared_words: float = 0.0
    """How much a text counts as right for the other pictures of a batch whose own texts share words with it; the rarer
    the shared words, the more. 0 for a picture's own text alone (CVCL)."""
    flip_probability: float = 0.5
    """How often a view is mirrored (CVCL)."""
    order: DataOrder = field(default_factory=DataOrder)
    """In which order pairs are met."""
    keep_at: KeepAt = ()
    """Checkpoints to keep, by words heard: ``percent``, ``words``, or marks of one's own such as ``('5%', '1M')``
    (ours; BabyLM's names)."""

    def __post_init__(self) -> None:
        refuse_if(not self.formats, "contrastive.formats: name at least one of image, video")
        refuse_if("connector" in self.trains, "contrastive.trains: the connector has no part in this stage")
        refuse_if(
            "language" in self.trains and self.text == "words",
            "contrastive.trains names language, but contrastive.text=words reads without a language model",
        )
        refuse_if(self.regions < 1, f"contrastive.regions={self.regions} must be at least 1")
        refuse_if(
            self.regions > 1 and "vision" not in self.trains,
            "contrastive.regions: parts of a frame need a tower that learns; add vision to contrastive.trains",
        )
        refuse_if(self.view_tries < 1, f"contrastive.view_tries={self.view_tries} must be at least 1")
        refuse_if(not 0 <= self.shared_words <= 1, f"contrastive.shared_words={self.shared_words} must be in [0, 1]")
        refuse_if(
            self.shared_words > 0 and (self.loss != "infonce" or self.text != "words"),
            "contrastive.shared_words is for contrastive.loss=infonce and contrastive.text=words",
        )
        refuse_if(self.least_count < 1, f"contrastive.least_count={self.least_count} must be at least 1")
        refuse_if(self.width < 1, f"contrastive.width={self.width} must be at least 1")
        refuse_if(self.noise_weight < 0, f"contrastive.noise_weight={self.noise_weight} must not be negative")
        refuse_if(self.largest_scale <= 1, f"contrastive.largest_scale={self.largest_scale} must be above 1")
        refuse_if(not 0 <= self.flip_probability <= 1, "contrastive.flip_probability must be in [0, 1]")
        for name in ("region_scale", "view_scale"):
            low, high = getattr(self, name)
            refuse_if(not 0 < low <= high <= 1, f"contrastive.{name}={(low, high)}: two fractions, in order")
        require_marks(self.keep_at, "contrastive")
