"""A small dual encoder trained from scratch on the corpus itself: alignment without any outside knowledge (ours).

    frame 64 x 64 --convolutions--> unit vector ─┐
                                                 ├─ scaled product --> symmetric contrastive loss over the batch
    words --gated sum of word vectors----------> ┘

The recordings are dealt into folds, and each is scored by a model that saw none of its fold, so that no pair is judged
by a model that learned it. The score is how much likelier the picture makes the text than other texts of the corpus
are, an estimate of pointwise mutual information, squashed to between -1 and 1: 0 is what a text is worth that says
nothing about the picture. Recordings held out for validation and test are scored, and never learned from.

Shapes: B batch, D vector, H W pixels, L words.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from babyvlm.curation.alignment import ClipTextPair, RecordingShard
from babyvlm.curation.configuration import OwnEncoderConfig
from babyvlm.curation.information import REFERENCE_TEXTS, information, squashed
from babyvlm.curation.shards import ClipScores
from babyvlm.errors import InputError
from babyvlm.progress import progress
from babyvlm.records import content_id
from babyvlm.words import words_of

_LEAST_CLIPS = 50
_PAD = 0


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """What one fold's model learns from."""

    pictures_NCHW: torch.Tensor
    """8 bits; the frames of a clip follow one another."""
    frames: tuple[range, ...]
    """Of each clip, its frames' places in ``pictures_NCHW``."""
    texts: tuple[str, ...]


class OwnAligner:
    """Trains a model for each fold, then scores each recording by the model that never saw it.

    Args:
        config: The settings.
    """

    def __init__(self, config: OwnEncoderConfig | None = None) -> None:
        self._config = config or OwnEncoderConfig()
        self._trained_on = ""
        self._models: dict[int, _FoldModel] = {}

    @property
    def name(self) -> str:
        return f"self: {content_id(asdict(self._config), self._trained_on)}"

    def fit(self, recordings: Sequence[RecordingShard]) -> None:
        """Trains, unless every recording has its scores of this very training.

        Raises:
            InputError: There is too little to learn from.
        """
        self._trained_on = content_id([(each.shard.folder.name, each.split) for each in recordings])
        if all(each.shard.has_scores(self.name) for each in recordings):
            return
        for fold in range(self._config.folds):
            learned = [each for each in recordings if each.split == "train" and self.fold_of(each.recording) != fold]
            pairs = _read_pairs(learned, self._config)
            self._models[fold] = _train(pairs, self._config, fold)

    def score(self, recording: str, clips: Iterable[ClipTextPair]) -> Iterator[ClipScores]:
        model = self._models[self.fold_of(recording)]
        for clip in clips:
            if not clip.pictures:
                yield ClipScores(frames=())
                continue
            scores = model.scores(torch.stack([_pixels(picture) for picture in clip.pictures]), clip.text)
            yield ClipScores(clip=round(sum(scores) / len(scores), 4), frames=tuple(round(each, 4) for each in scores))

    def fold_of(self, recording: str) -> int:
        draw = hashlib.sha256(f"{self._config.seed} fold {recording}".encode()).digest()
        return int.from_bytes(draw[:8]) % self._config.folds


class _DualEncoder(nn.Module):
    """Encodes pictures and texts into one space."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        channels = (3, 32, 64, 128, 192)
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.GroupNorm(8, after),
                nn.GELU(),
            ]
        self.vision = nn.Sequential(*layers)
        self.picture = nn.Linear(channels[-1], width)
        self.words = nn.Embedding(vocabulary, width, padding_idx=_PAD)
        self.gates = nn.Embedding(vocabulary, 1, padding_idx=_PAD)
        nn.init.normal_(self.words.weight, std=width**-0.5)
        nn.init.zeros_(self.gates.weight)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def encode_image(self, pictures_BCHW: torch.Tensor) -> torch.Tensor:
        """Unit vectors of pictures given in 8 bits."""
        features_BCHW = self.vision(pictures_BCHW.float() / 127.5 - 1)
        # Any part of the picture may hold what is named: the largest response counts as well as the mean.
        pooled_BC = features_BCHW.mean((2, 3)) + features_BCHW.amax((2, 3))
        return functional.normalize(self.picture(pooled_BC), dim=-1)

    def encode_text(self, words_BL: torch.Tensor) -> torch.Tensor:
        """Vectors of texts. They are short where no word of the text says anything about pictures."""
        gates_BL1 = torch.sigmoid(self.gates(words_BL)) * (words_BL != _PAD).unsqueeze(-1)
        return (gates_BL1 * self.words(words_BL)).sum(1)

    def similarity(self, pictures_BD: torch.Tensor, texts_BD: torch.Tensor) -> torch.Tensor:
        return self.log_scale.exp() * pictures_BD @ texts_BD.T


@dataclass(frozen=True, kw_only=True)
class _FoldModel:
    """A trained model with what it needs to score."""

    encoder: _DualEncoder
    vocabulary: dict[str, int]
    references_RD: torch.Tensor
    """Vectors of other texts of the corpus, with which a text is compared."""

    @torch.no_grad()
    def scores(self, pictures_BCHW: torch.Tensor, text: str) -> list[float]:
        pictures_BD = self.encoder.encode_image(pictures_BCHW)
        own_B = self.encoder.similarity(pictures_BD, self.encoder.encode_text(_ids([text], self.vocabulary)))[:, 0]
        others_BR = self.encoder.similarity(pictures_BD, self.references_RD)
        return squashed(information(own_B, others_BR))


def _train(pairs: _Pairs, config: OwnEncoderConfig, fold: int) -> _FoldModel:
    vocabulary = _vocabulary(pairs.texts, config.least_count)
    draw = torch.Generator().manual_seed(config.seed * 1000 + fold)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed * 1000 + fold)
        encoder = _DualEncoder(len(vocabulary) + 1, config.width)
    words_NL = _ids(pairs.texts, vocabulary)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=config.learning_rate, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.1
    )
    batch = min(config.batch, len(pairs.texts))
    bar = progress(range(config.steps), description=f"own encoder, fold {fold + 1} of {config.folds}", unit="step")
    for _ in bar:
        clips_B = torch.randperm(len(pairs.texts), generator=draw)[:batch]
        shares_B = torch.rand(batch, generator=draw).tolist()
        chosen = [_one_of(pairs.frames[clip], share) for clip, share in zip(clips_B.tolist(), shares_B, strict=True)]
        pictures_BD = encoder.encode_image(_jitter(pairs.pictures_NCHW[chosen], draw))
        loss = _contrastive_loss(
            encoder.similarity(pictures_BD, encoder.encode_text(words_NL[clips_B])), words_NL[clips_B]
        )
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    encoder.eval()
    references = random.Random(config.seed).sample(pairs.texts, min(REFERENCE_TEXTS, len(pairs.texts)))
    with torch.no_grad():
        references_RD = encoder.encode_text(_ids(references, vocabulary))
    return _FoldModel(encoder=encoder, vocabulary=vocabulary, references_RD=references_RD)


def _contrastive_loss(logits_BB: torch.Tensor, words_BL: torch.Tensor) -> torch.Tensor:
    """Cross entropy in both directions, in which equal texts are no negatives of each other."""
    same_BB = (words_BL[:, None] == words_BL[None]).all(-1)
    same_BB.fill_diagonal_(False)
    logits_BB = logits_BB.masked_fill(same_BB, -math.inf)
    target_B = torch.arange(len(logits_BB))
    return (functional.cross_entropy(logits_BB, target_B) + functional.cross_entropy(logits_BB.T, target_B)) / 2


def _jitter(pictures_BCHW: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Augments pictures: a random flip and a random crop."""
    if torch.rand((), generator=draw) < 0.5:
        pictures_BCHW = pictures_BCHW.flip(3)
    size = pictures_BCHW.shape[-1]
    top, left = torch.randint(0, size // 8 + 1, (2,), generator=draw).tolist()
    return pictures_BCHW[:, :, top : top + size - size // 8, left : left + size - size // 8]


def _one_of(frames: range, share: float) -> int:
    return frames[min(int(share * len(frames)), len(frames) - 1)]


def _read_pairs(recordings: Sequence[RecordingShard], config: OwnEncoderConfig) -> _Pairs:
    clips = [
        (each, candidate)
        for each in recordings
        for candidate in each.shard.candidates()
        if candidate.frames and words_of(candidate.text)
    ]
    if len(clips) < _LEAST_CLIPS:
        raise InputError(
            f"{len(clips)} clips are too few for --aligner self to learn from; it needs {_LEAST_CLIPS} in the "
            "recordings for training that are not of the fold it scores",
            remedy="Curate more recordings together, or choose --aligner none or clip",
        )
    if len(clips) > config.most_clips:
        drawn = sorted(random.Random(config.seed).sample(range(len(clips)), config.most_clips))
        clips = [clips[index] for index in drawn]
    pictures: list[torch.Tensor] = []
    frames: list[range] = []
    opened = None
    for each, candidate in clips:
        if opened is None or opened.folder != each.shard.images_folder:
            opened = each.shard.images()
        frames.append(range(len(pictures), len(pictures) + len(candidate.frames)))
        pictures += [_pixels(opened.read(frame.image)) for frame in candidate.frames]
    texts = tuple(candidate.text for _, candidate in clips)
    return _Pairs(pictures_NCHW=torch.stack(pictures), frames=tuple(frames), texts=texts)


def _pixels(picture: Image.Image, size: int = 64) -> torch.Tensor:
    """A picture stretched to a square, 8 bits."""
    small_HWC = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0))
    return torch.from_numpy(small_HWC.transpose(2, 0, 1).copy())


def _vocabulary(texts: Iterable[str], least_count: int) -> dict[str, int]:
    counts = Counter(word for text in texts for word in words_of(text))
    known = sorted(word for word, count in counts.items() if count >= least_count)
    return {word: number for number, word in enumerate(known, start=_PAD + 1)}


def _ids(texts: Sequence[str], vocabulary: dict[str, int]) -> torch.Tensor:
    """Known words of each text, (B, L), without repetitions, filled up with the padding id."""
    rows = [sorted({vocabulary[word] for word in words_of(text) if word in vocabulary}) for text in texts]
    longest = max(1, max(map(len, rows)))
    return torch.tensor([row + [_PAD] * (longest - len(row)) for row in rows])
