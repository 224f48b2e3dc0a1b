"""Conversations as a model of transformers takes them: through its chat template, or without one as plain text.

A base model (PaliGemma, BLIP-2, Florence-2) has no template. It is given the words as they stand, a line for each side
of a round, with pictures at their places or where its processor puts them, and it is asked by likelihood alone: nothing
says how it would close a reply that it writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]

_PLACES_PICTURES = {"blip", "blip-2", "florence2", "git", "instructblip", "kosmos-2"}
"""Model types whose processors put the pictures into the text themselves."""
_ENDS_PROMPTS = {"paligemma"}
"""Model types whose processors end a prompt, so that no blank stands before the reply."""
EMPTY_QUESTION: tuple[Message, ...] = ({"role": "user", "content": [{"type": "text", "text": ""}]},)
"""What stands before an option that is judged by itself."""


class ChatPrompts:
    """A processor's own chat template."""

    is_plain = False

    def __init__(self, processor: Any) -> None:
        self._processor = processor

    def text(self, messages: Sequence[Message], *, reply: bool = True) -> str:
        """A conversation, with what opens a reply behind it where one is to follow."""
        return str(self._processor.apply_chat_template(list(messages), add_generation_prompt=reply, tokenize=False))

    def options(self, messages: Sequence[Message], options: Sequence[str]) -> list[list[int]]:
        """Tokens of each option as a reply, as the template writes it, with what closes it."""
        prompt = self.text(messages)
        tails = []
        for option in options:
            whole = self.text([*messages, assistant(option)], reply=False)
            tail = whole[len(prompt) :] if whole.startswith(prompt) else option
            tails.append(list(self._processor.tokenizer(tail.rstrip("\n"), add_special_tokens=False).input_ids))
        return tails


class PlainPrompts:
    """Words as they stand, for a model without a chat template.

    Args:
        processor: The model's.
        config: The model's.
    """

    is_plain = True

    def __init__(self, processor: Any, config: Any) -> None:
        self._tokenizer = processor.tokenizer
        self._decodes = bool(config.is_encoder_decoder)
        self._gap = "" if config.model_type in _ENDS_PROMPTS else " "
        token = getattr(processor, "image_token", "<image>")
        places = config.model_type not in _PLACES_PICTURES
        self._picture = str(getattr(token, "content", token)) if places else ""

    def text(self, messages: Sequence[Message], *, reply: bool = True) -> str:
        """A conversation, a line for each side of a round."""
        return "\n".join(
            " ".join(
                filter(None, (self._picture if part["type"] == "image" else part["text"] for part in one["content"]))
            )
            for one in messages
        )

    def options(self, messages: Sequence[Message], options: Sequence[str]) -> list[list[int]]:
        """Tokens of each option with the tokenizer's end; of a decoder, with all that the tokenizer adds."""
        if self._decodes:
            return [list(self._tokenizer(option).input_ids) for option in options]
        end = [] if self._tokenizer.eos_token_id is None else [self._tokenizer.eos_token_id]
        spelled = (self._tokenizer(f"{self._gap}{option}", add_special_tokens=False).input_ids for option in options)
        return [[*ids, *end] for ids in spelled]


def assistant(text: str) -> Message:
    """A reply, as a side of a conversation."""
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}
