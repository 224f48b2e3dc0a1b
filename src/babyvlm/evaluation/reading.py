"""The state of a batch of conversations, and the forward pass that extends it.

    read:  [left padding | new tokens] ── cache ── logits

Padding is masked out and a token's position counts only what is not, so that what a row reads does not depend on the
rows beside it. PictureFeatures are encoded once for all the questions of a call, as long as there is room to keep them.

B rows, L new tokens, P tokens so far, V vocabulary; N pictures shown, U distinct ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import torch
from transformers import Cache

from babyvlm.evaluation import kv_cache
from babyvlm.evaluation.lean_layers import lean_layers
from babyvlm.evaluation.respondents import ImageReader
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import normalise, square_pixels
from babyvlm.model.tokenizer import PAD

_PICTURE_ROOM_BYTES = 256 * 2**20


class PictureFeatures:
    """The tower's output for pictures by name, each made once while there is room.

    Args:
        model: Whose tower.
        images: Gives a picture; the same one for the same name.
    """

    def __init__(self, model: BabyLlavaForConditionalGeneration, images: ImageReader) -> None:
        self._model, self._images = model, images
        self._kept: OrderedDict[str, torch.Tensor] = OrderedDict()
        self._kept_bytes = 0

    def features(self, names: Sequence[str]) -> dict[str, torch.Tensor]:
        """What the model's ``forward`` takes for some pictures: distinct ones' features, and which is shown where."""
        if not names:
            return {}
        distinct = {name: place for place, name in enumerate(dict.fromkeys(names))}
        self._encode([name for name in distinct if name not in self._kept])
        features_UTD = torch.stack([self._kept[name] for name in distinct])
        for name in distinct:
            self._kept.move_to_end(name)
        while self._kept_bytes > _PICTURE_ROOM_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.nbytes
        shown_N = torch.tensor([distinct[name] for name in names], device=features_UTD.device)
        return {"vision_features": features_UTD, "image_index": shown_N}

    def _encode(self, names: Sequence[str]) -> None:
        if not names:
            return
        vision: Any = self._model.config.vision_config
        size, fit = vision.image_size, self._model.config.image_fit
        pixels_UCHW = torch.stack([torch.tensor(square_pixels(self._images(name), size, fit)) for name in names])
        tower: Any = self._model.model.vision_tower
        for name, features_TD in zip(
            names, tower(pixel_values=normalise(pixels_UCHW.to(self._model.device))).last_hidden_state, strict=True
        ):
            self._kept[name] = features_TD.clone()  # not a view, which would keep the whole batch
            self._kept_bytes += features_TD.nbytes


class Reading:
    """Conversations read side by side.

    Args:
        model: Who reads.
        cache: What was read before.
        mask_BP: Which tokens of it are no padding.
    """

    def __init__(self, model: BabyLlavaForConditionalGeneration, cache: Cache, mask_BP: torch.Tensor) -> None:
        self._model, self._cache, self._mask_BP = model, cache, mask_BP
        self._named = kv_cache.argument(type(model))

    @classmethod
    def of(cls, model: BabyLlavaForConditionalGeneration, rows: int, room: int = 0) -> Self:
        """Nothing read yet.

        Args:
            model: Who reads.
            rows: How many conversations.
            room: Tokens that the longest may come to, padding among them; with it the cache is never copied.
        """
        return cls(model, kv_cache.growing_cache(room), torch.zeros((rows, 0), dtype=torch.long, device=model.device))

    def __len__(self) -> int:
        """Tokens so far, padding among them."""
        return self._mask_BP.shape[1]

    def read(
        self,
        ids_BL: torch.Tensor,
        counted_BL: torch.Tensor,
        pictures: Mapping[str, torch.Tensor] = MappingProxyType({}),
    ) -> torch.Tensor:
        """Reads on.

        Args:
            ids_BL: New tokens.
            counted_BL: Which of them are no padding.
            pictures: As :meth:`PictureFeatures.features` gives them.

        Returns:
            Logits after the last token, BV.
        """
        self._mask_BP = torch.cat([self._mask_BP, counted_BL.long()], dim=1)
        return self._forward(
            input_ids=ids_BL,
            attention_mask=self._attended(ids_BL.shape[1]),
            position_ids=(self._mask_BP.cumsum(1) - 1).clamp(min=0)[:, -ids_BL.shape[1] :],
            logits_to_keep=1,
            **pictures,
        )[:, -1]

    def read_rows(self, rows: Sequence[Sequence[int]], pictures: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Reads on, each row tokens of its own; returns the logits after the last, BV."""
        longest = max(map(len, rows))
        padded = [[PAD] * (longest - len(ids)) + list(ids) for ids in rows]
        counted = [[0] * (longest - len(ids)) + [1] * len(ids) for ids in rows]
        device = self._mask_BP.device
        return self.read(torch.tensor(padded, device=device), torch.tensor(counted, device=device), pictures)

    def read_cut(self, ids: Sequence[int], pictures: Mapping[str, torch.Tensor], longest: int) -> torch.Tensor:
        """Reads the beginning of one conversation, which may end within a picture, before anything else.

        Args:
            ids: Its tokens.
            pictures: As :meth:`PictureFeatures.features` gives them.
            longest: Tokens read at most.

        Returns:
            Logits after the last token read, (1, V).
        """
        ids_1L = torch.tensor([ids], device=self._mask_BP.device)
        embedded_1LD = self._model.get_input_embeddings()(ids_1L)
        if pictures:
            embedded_1LD = self._model._embeddings(ids_1L, pictures["vision_features"], pictures["image_index"])
        embedded_1LD = embedded_1LD[:, :longest]
        self._mask_BP = torch.ones(embedded_1LD.shape[:2], dtype=torch.long, device=embedded_1LD.device)
        return self._forward(inputs_embeds=embedded_1LD, attention_mask=self._mask_BP, logits_to_keep=1)[:, -1]

    def forget(self, row: int, since: int) -> None:
        """Counts nothing of a row from token ``since`` on."""
        self._mask_BP[row, since:] = 0

    def option_likelihoods(self, first_BV: torch.Tensor, options: list[list[list[int]]]) -> torch.Tensor:
        """How likely each row finds each of its options; leaves no trace.

        The options lie behind each other in one pass. Each sees what was read before and itself, and their positions
        begin at the same place.

        Args:
            first_BV: The logits after what was read last.
            options: Tokens of each option of each row.

        Returns:
            Log-likelihoods, (B, K); minus infinity where a row has fewer options than another.
        """
        tails_BKL = kv_cache.padded_options(options).to(first_BV.device)
        rows, most, longest = tails_BKL.shape
        flat_BQ = tails_BKL.flatten(1)
        places_Q = torch.arange(most * longest, device=flat_BQ.device)
        seen_QQ = (places_Q[:, None] // longest == places_Q // longest) & (places_Q[:, None] >= places_Q)
        seen_BQP = self._mask_BP[:, None].bool().expand(-1, most * longest, -1)
        seen_B1QP = torch.cat([seen_BQP, seen_QQ.expand(rows, -1, -1)], dim=2)[:, None]
        counted_B = self._mask_BP.sum(1)
        logits_BQV = self._forward(
            input_ids=flat_BQ.clamp(min=PAD),
            attention_mask=_added(seen_B1QP),
            position_ids=counted_B[:, None] + places_Q % longest,
        )
        kv_cache.cut(self._cache, len(self))
        return kv_cache.option_likelihoods(logits_BQV.unflatten(1, (most, longest)), first_BV, tails_BKL)

    def _attended(self, new: int) -> torch.Tensor:
        """The mask of the last ``new`` tokens, as attention adds it.

        Made here once a pass: transformers would hand on one of true and false, which every layer turns into numbers.
        """
        places_P = torch.arange(len(self), device=self._mask_BP.device)
        seen_LP = places_P[-new:, None] >= places_P
        if bool(self._mask_BP.all()):  # no padding: one mask for all rows
            return _added(seen_LP[None, None])
        seen_BLP = seen_LP & self._mask_BP[:, None].bool()
        # Padding sees itself, so that attention has something to average; nothing reads what comes of it.
        return _added((seen_BLP | (places_P[-new:, None] == places_P))[:, None])

    def _forward(self, **inputs: Any) -> torch.Tensor:
        with lean_layers(self._model.model.language_model, last_token_only=inputs.get("logits_to_keep") == 1):
            logits_BLV = self._model(**{self._named: self._cache}, use_cache=True, **inputs).logits
        assert logits_BLV is not None
        return logits_BLV


def _added(seen_B1LP: torch.Tensor) -> torch.Tensor:
    """Which token sees which, as what is added to attention's scores."""
    return torch.zeros(seen_B1LP.shape, device=seen_B1LP.device).masked_fill(~seen_B1LP, -torch.inf)
