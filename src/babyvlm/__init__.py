"""BabyVLM-V2: from infants' head-camera recordings to a model trained from scratch and a developmental benchmark.

model = babyvlm.load("my-model/instruction")
said = model.ask("How many cups do you see?", images=["kitchen.jpg"], options=["1", "2", "3"])
print(said.reply, said.options)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.auto_classes import register_when_needed

if TYPE_CHECKING:
    from babyvlm.chat.checkpoint import TalkingCheckpoint

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(checkpoint: Path | str, *, device: str = "", max_new_tokens: int = 64) -> TalkingCheckpoint:
    """Opens a checkpoint to ask it things, as ``babyvlm chat`` does.

    Args:
        checkpoint: A folder written by ``babyvlm train`` or ``babyvlm convert``.
        device: Where it runs; a GPU where there is one, when empty.
        max_new_tokens: Longest reply, tokens.

    Raises:
        CheckpointError: The folder is no checkpoint of ours, or not whole.
    """
    from babyvlm.chat.checkpoint import TalkingCheckpoint  # torch takes seconds to import

    return TalkingCheckpoint(Path(checkpoint), device=device, max_new_tokens=max_new_tokens)


register_when_needed()
