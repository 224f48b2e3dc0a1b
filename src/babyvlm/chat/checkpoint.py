"""A checkpoint that answers questions: what ``babyvlm.load`` gives, and what ``babyvlm chat`` talks to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from babyvlm.chat.conversation import ChatConversation, ChatReply, clip_frames
from babyvlm.evaluation.local import LocalModel
from babyvlm.shown_pictures import as_shown, open_image

Picture = Image.Image | Path | str


class TalkingCheckpoint:
    """One of our checkpoints, ready to be asked.

    Args:
        checkpoint: Its folder.
        device: Where it runs; a GPU where there is one, when empty.
        max_new_tokens: Longest reply, tokens.

    Raises:
        CheckpointError: The folder is no checkpoint of ours, or not whole.
    """

    def __init__(self, checkpoint: Path, *, device: str = "", max_new_tokens: int = 64) -> None:
        self.respondent = LocalModel(checkpoint, device=device, max_new_tokens=max_new_tokens)

    def ask(
        self,
        question: str,
        images: Sequence[Picture] = (),
        *,
        video: Path | str | None = None,
        options: Sequence[str] = (),
    ) -> ChatReply:
        """Asks one question by itself.

        Args:
            question: What is asked; pictures without a ``<image>`` in it come first.
            images: Pictures or their paths.
            video: A clip, whose frames come before the pictures.
            options: Replies whose probabilities are wanted.

        Returns:
            The reply, and how likely each option is among those given.

        Raises:
            ConfigError: An empty question, too many pictures, or placeholders that do not fit them.
            MediaError: A picture or the clip cannot be read.
        """
        return self.conversation().ask(question, open_pictures(images, video), options)

    def conversation(self) -> ChatConversation:
        """A new conversation, in which later questions follow from earlier ones."""
        return ChatConversation(self.respondent)


def open_pictures(images: Sequence[Picture], video: Path | str | None = None) -> list[Image.Image]:
    """Pictures to show: a clip's frames, evenly spread, then the pictures.

    Raises:
        MediaError: One of them cannot be read.
    """
    opened = [as_shown(image) if isinstance(image, Image.Image) else open_image(Path(image)) for image in images]
    return [*(clip_frames(Path(video)) if video else ()), *opened]
