"""Pictures and words into tensors: image preprocessing and the two conversation templates, as published.

``baby_plain``  <sos>{prompt}{answer}<eos>                              alignment stage: the picture, then the utterance
``baby_v1``     <sos> USER: {prompt} ASSISTANT: {answer}<eos>USER: ...  later stages; generation ends in ``ASSISTANT:``

Text between pictures is tokenised piece by piece, so a word's tokens do not depend on the picture beside it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from PIL import Image
from transformers import LlavaProcessor, PreTrainedTokenizerBase
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from babyvlm.model.configuration import ModelShape
from babyvlm.model.llava_config import Fit
from babyvlm.model.modeling import IGNORED
from babyvlm.model.tokenizer import EOS, SOS
from babyvlm.records import IMAGE_TOKEN, Turn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
BILINEAR = 2

Template = Literal["baby_plain", "baby_v1"]

CHAT_TEMPLATE = (
    "{{ ' ' }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}USER: {% else %}ASSISTANT: {% endif %}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ ' ' }}{% else %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""``baby_v1`` for transformers' ``apply_chat_template``; the tokenizer itself prefixes ``<sos>``."""


def image_processor(image_size: int, fit: Fit = "pad") -> LlavaImageProcessorPil:
    """Makes square, resizes bilinearly, normalises with ImageNet's mean and deviation."""
    return LlavaImageProcessorPil(
        do_pad=fit == "pad",
        do_resize=True,
        size={"height": image_size, "width": image_size},
        resample=BILINEAR,
        do_center_crop=False,
        image_mean=list(IMAGENET_MEAN),
        image_std=list(IMAGENET_STD),
    )


def square_pixels(image: Image.Image, image_size: int, fit: Fit = "pad") -> np.ndarray:
    """The picture as the image processor sees it before normalisation.

    Args:
        image: Any picture.
        image_size: Side of the result, pixels.
        fit: How it becomes square.

    Returns:
        uint8 array, (3, image_size, image_size).
    """
    image = image.convert("RGB")
    if image.width != image.height and fit == "pad":
        side = max(image.size)
        square = Image.new("RGB", (side, side), tuple(int(mean * 255) for mean in IMAGENET_MEAN))
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        image = square
    resized = image.resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1)


def normalise(pixels_NCHW: torch.Tensor) -> torch.Tensor:
    """uint8 pictures to the float tensor the vision tower takes, NCHW."""
    mean_C11, std_C11 = _imagenet(pixels_NCHW.device)
    return (pixels_NCHW.float() / 255 - mean_C11) / std_C11


@functools.lru_cache(maxsize=16)  # a GPU would wait for each copy
def _imagenet(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation, each C11."""
    mean_C11, std_C11 = (torch.tensor(each, device=device).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    return mean_C11, std_C11


def processor(shape: ModelShape, tokenizer: PreTrainedTokenizerBase) -> LlavaProcessor:
    """The transformers processor saved with a checkpoint."""
    return LlavaProcessor(
        image_processor=image_processor(shape.image_size, shape.image_fit),
        tokenizer=tokenizer,
        patch_size=shape.patch_size,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )


def with_places(prompt: str, num_images: int) -> str:
    """A ``baby_v1`` prompt with a place for each picture: in front, as the published wrapper puts them, if it has none.

    >>> with_places("Which one?", 2)
    '<image> <image>\\nWhich one?'
    """
    if not num_images or IMAGE_TOKEN in prompt:
        return prompt
    return " ".join([IMAGE_TOKEN] * num_images) + "\n" + prompt


Piece = str | int
"""A piece of text between pictures, the id of a special token, or ``PICTURE``."""
PICTURE = -1


@functools.lru_cache(maxsize=4096)  # most prompts are alike
def _asked(prompt: str, template: Template, in_front: int, first: bool) -> tuple[Piece, ...]:
    """A human turn with so many pictures in front of it."""
    if template == "baby_plain":
        pieces = _pieces(IMAGE_TOKEN * in_front + prompt)
        return (SOS, *pieces) if first else pieces
    text = f"USER: {with_places(prompt, in_front)} ASSISTANT:"
    return (SOS, *_pieces(f" {text}")) if first else _pieces(text)


def _answered(answer: str, template: Template) -> tuple[Piece, ...]:
    return (*_pieces(answer if template == "baby_plain" else f" {answer}"), EOS)


def _pieces(text: str) -> tuple[Piece, ...]:
    if IMAGE_TOKEN not in text:
        return (text,)
    first, *others = text.split(IMAGE_TOKEN)
    return (first, *(piece for text in others for piece in (PICTURE, text)))


def conversation_pieces(
    turns: Sequence[tuple[str, str]], *, num_images: int, template: Template
) -> Iterator[tuple[bool, tuple[Piece, ...]]]:
    """Pieces of a conversation in order, each run of them with whether it is learned.

    Args:
        turns: Prompts and answers. Pictures without any placeholder come before the first prompt.
        num_images: Pictures of the conversation.
        template: Which of the two templates.
    """
    unplaced = 0 if any(IMAGE_TOKEN in prompt for prompt, _ in turns) else num_images
    for number, (prompt, answer) in enumerate(turns):
        yield False, _asked(prompt, template, 0 if number else unplaced, number == 0)
        yield True, _answered(answer, template)


class ConversationEncoder:
    """Turns conversations into token ids and labels.

    Args:
        tokenizer: As trained by :func:`babyvlm.model.tokenizer.train_tokenizer`.
        image_token_id: Id of the placeholder.
        image_tokens: How many placeholders one picture takes.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, *, image_token_id: int, image_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.image_token_id, self.image_tokens = image_token_id, image_tokens
        self._image = [image_token_id] * image_tokens
        self._cache: dict[str, list[int]] = {}

    def compact(self) -> ConversationEncoder:
        """One that writes a single placeholder for a picture."""
        return ConversationEncoder(self.tokenizer, image_token_id=self.image_token_id, image_tokens=1)

    def text(self, text: str) -> list[int]:
        """Token ids of a piece of text, without ``<sos>``; each ``<image>`` becomes a picture's placeholders."""
        return [token for piece in _pieces(text) for token in self._ids(piece)]

    def _ids(self, piece: Piece) -> list[int]:
        if isinstance(piece, int):
            return self._image if piece == PICTURE else [piece]
        if piece not in self._cache:
            self._cache[piece] = self.tokenizer.encode(piece, add_special_tokens=False)
        return self._cache[piece]

    def ids_of(self, pieces: Sequence[Piece]) -> list[list[int]]:
        """Token ids of many pieces, of texts at once, which is several times faster; none of them is remembered."""
        self.tokenizer.encode("", add_special_tokens=False)  # puts truncation and padding of a tokenizer's file aside
        texts = [piece for piece in pieces if isinstance(piece, str)]
        encodings = self.tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        found = iter(encodings)
        return [next(found).ids if isinstance(piece, str) else self._ids(piece) for piece in pieces]

    def user(self, prompt: str, *, first: bool) -> list[int]:
        """``baby_v1`` tokens of one human turn, up to and including ``ASSISTANT:``."""
        return [token for piece in _asked(prompt, "baby_v1", 0, first) for token in self._ids(piece)]

    def conversation(
        self, turns: Sequence[Turn], *, num_images: int, template: Template
    ) -> tuple[list[int], list[int]]:
        """Token ids and labels of a whole conversation.

        Args:
            turns: Prompts and answers. Pictures without any placeholder come before the first prompt.
            num_images: Pictures of the conversation.
            template: Which of the two templates.

        Returns:
            Ids, and labels of the same length: the id itself on answers and their ``<eos>``, ``IGNORED`` elsewhere.
        """
        pairs = [(turn.prompt, turn.answer) for turn in turns]
        ids: list[int] = []
        labels: list[int] = []
        for learned, pieces in conversation_pieces(pairs, num_images=num_images, template=template):
            tokens = [token for piece in pieces for token in self._ids(piece)]
            ids += tokens
            labels += tokens if learned else [IGNORED] * len(tokens)
        return ids, labels
