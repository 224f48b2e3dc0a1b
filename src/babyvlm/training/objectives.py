"""What the tower of the vision stage learns by: ``distillation`` (DINO, the published choice), or another package's.

VisionStage.objective -> REGISTRY -> a subclass of VisionObjective (objective.py), made of a tower and the stage

The stages with a language model have no such choice: their loss, cross-entropy over the learned tokens of a step, is
part of the model's own forward pass (``model/modeling.py``), which computes logits at learned tokens alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from babyvlm.registry import Registry

if TYPE_CHECKING:
    from babyvlm.training.objective import VisionObjective

DISTILLATION = "distillation"


def _check(name: str, found: object) -> str:
    from babyvlm.training.objective import VisionObjective  # torch takes seconds to import

    if isinstance(found, type) and issubclass(found, VisionObjective):
        return ""
    return f"it is {found!r}, where a subclass of VisionObjective belongs"


REGISTRY: Registry[type[VisionObjective]] = Registry(
    "babyvlm.objectives", {DISTILLATION: "babyvlm.training.vision:SelfDistillation"}, _check
)
"""The objectives by name."""
