"""Word items that the contrastive stage makes of training frames: what was heard, asked as Picture Vocabulary asks.

    training frames ── views with detail ── tower ─┐
    words heard ─────────── vectors ───────────────┴─ cosines_NV ─┬─ the half of the words that some views are much
                                                                  │  likelier than others to show
                                                                  └─ items: a view among a word's likest, and two or
                                                                     three that are likest to other words

    OUT/own_words/  items.parquet  conversations; their pictures are named by their place in views.npy
                    views.npy      pictures x C x H x W, uint8, at the model's size
                    manifest.json

No label, box or instruction item goes into them: a word is one that utterances say, a picture a part of a frame, and
which goes with which is what the contrastive stage has learned from pairs of the two. So a word that no instruction
item asks for (``curate --instruction.heard-only``) is met in the form in which items ask (docs/log.md). Function words
mostly fall away by themselves: no view is much likelier than another to show them. Two fifths of the items have four
pictures, called A to D as in Picture Vocabulary. In most of the others some of three or four are called by the first
letters, and one or two in front or behind are called nothing: so which letter answers follows neither from a picture's
place nor from how many there are, and what is learned holds for other numbers too. None has two pictures alone, which
is how Looking While Listening asks, a task held out. Several are asked for, one question after another, as far as no
other picture shows the word: a picture's tokens, which are most of an item, teach more than once, and no answer follows
from the others.
DEVIATION: ours; not in the published system.

N views, V words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from babyvlm.curation.sets import read_conversations, write_conversations
from babyvlm.folders import Manifest, fresh_folder, read_manifest
from babyvlm.model.dual_encoder import DualEncoder, as_pixels
from babyvlm.model.processing import ConversationEncoder
from babyvlm.progress import progress
from babyvlm.records import IMAGE_TOKEN, Conversation, Turn
from babyvlm.training.batches import Sample
from babyvlm.training.configuration import MultimodalStage
from babyvlm.training.vision import cut_views

_ITEMS, _VIEWS = "items.parquet", "views.npy"
_KIND = "own-words"
_VIEWS_A_FRAME = 8
_SCALE, _TRIES = (0.08, 0.5), 3  # of the frame, as crops of the toolbox are; the most detailed of so many
_PICTURED = 0.5  # of the words
_LIKEST = 1 / 150  # of the views, from which a word's pictures are drawn
_NO_FOIL = 0.1  # of the views, which are too like a word to be its foils
_UNCALLED = "-"
_FORMS = tuple(
    form
    for form, often in {
        "ABCD": 8, "ABC": 2, "ABC-": 1, "-ABC": 1, "AB-": 2, "-AB": 2, "AB--": 1, "--AB": 1, "-AB-": 2,
    }.items()
    for _ in range(often)
)  # fmt: skip
"""What the pictures of an item are called, one of these drawn for each item."""
_BATCH = 128


@dataclass(kw_only=True)
class Views:
    """Pictures at the model's size."""

    pixels_NCHW: torch.Tensor
    """uint8."""

    def __len__(self) -> int:
        return len(self.pixels_NCHW)


def write_own_words(
    out: Path,
    encoder: DualEncoder,
    frames_NCSS: torch.Tensor,
    aspects_N: torch.Tensor,
    *,
    items: int,
    size: int,
    seed: int,
    inputs: dict[str, str],
) -> None:
    """Makes the items.

    Args:
        out: Folder to write; absent.
        encoder: Of the contrastive stage, with word vectors.
        frames_NCSS: Training frames, uint8, squares larger than the model's.
        aspects_N: Width over height of each before it became square.
        items: How many.
        size: Side of a view, pixels.
        seed: Which views and foils.
        inputs: What they are made of, for the manifest, which counts what could not be made: all of them where too few
            words are heard, or too few frames seen.
    """
    generator, draw = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    views_NCHW, cosines_NV = _seen(encoder, frames_NCSS, aspects_N, size, generator)
    likest = max(1, round(_LIKEST * len(cosines_NV)))
    ranked_NV = np.argsort(-cosines_NV, axis=0, kind="stable")
    words = _pictured(cosines_NV, ranked_NV, likest)
    pools = {word: ranked_NV[:likest, word] for word in words}
    least = {word: cosines_NV[ranked_NV[round(_NO_FOIL * len(ranked_NV)), word], word] for word in words}
    unlike = {word: cosines_NV[:, word] < least[word] for word in words}
    drafts = []
    for number in range(items if words else 0):
        word, form = words[number % len(words)], str(draw.choice(_FORMS))
        called = len(form) - form.count(_UNCALLED)
        shown = [(word, int(draw.choice(pools[word]))), *_foils(word, len(form) - 1, pools, unlike[word], draw)]
        if len(shown) == len(form):
            with_letter, without = iter(draw.permutation(called)), iter(range(called, len(form)))
            placed = [shown[next(without if letter == _UNCALLED else with_letter)] for letter in form]
            letter_of = {one: letter for (one, _), letter in zip(placed, form, strict=True) if letter != _UNCALLED}
            asked = [(one, letter_of[one]) for one in _only_shown_once(shown, unlike) if one in letter_of]
            drafts.append((asked[: called - 1], [view for _, view in placed], form))
    used = sorted({view for _, views, _ in drafts for view in views})
    place_of = {view: place for place, view in enumerate(used)}
    rows = [
        Conversation(
            id=f"own-{number:06d}",
            format="instruction",
            images=tuple(str(place_of[view]) for view in shown),
            turns=tuple(
                Turn(prompt=_prompt(encoder.config.words[word], "" if turn else form), answer=gold)
                for turn, (word, gold) in enumerate(asked)
            ),
        )
        for number, (asked, shown, form) in enumerate(drafts)
    ]
    with fresh_folder(out) as partial:
        write_conversations(partial / _ITEMS, rows)
        np.save(partial / _VIEWS, views_NCHW[used].numpy())
        Manifest(
            kind=_KIND,
            configuration={"words": sorted(encoder.config.words[word] for word in words), "seed": seed},
            inputs=inputs,
            counts={"items": len(rows), "views": len(used)},
            skipped={"item: too few views that do not show the word": items - len(rows)} if len(rows) < items else {},
        ).write(partial)


def own_samples(
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    stage: MultimodalStage,
    *,
    image_token: int,
    image_tokens: int,
    behind: int,
) -> tuple[list[Sample], Views | None]:
    """The items as the model takes them, and their pictures; None where there are no items.

    Args:
        folder: That :func:`write_own_words` wrote.
        tokenizer: The run's.
        stage: Whose template they are put into.
        image_token: Id of the placeholder.
        image_tokens: How many one picture takes.
        behind: Pictures of the stage's own samples, behind which these are numbered.
    """
    read_manifest(folder, _KIND)
    encoder = ConversationEncoder(tokenizer, image_token_id=image_token, image_tokens=image_tokens)
    samples = []
    for row in read_conversations(folder / _ITEMS):
        ids, labels = encoder.conversation(row.turns, num_images=len(row.images), template=stage.template)
        images = tuple(behind + int(name) for name in row.images)
        samples.append(Sample(ids=np.array(ids, np.int32), labels=np.array(labels, np.int32), images=images))
    return samples, Views(pixels_NCHW=torch.from_numpy(np.load(folder / _VIEWS))) if samples else None


@torch.no_grad()
def _seen(
    encoder: DualEncoder, frames_NCSS: torch.Tensor, aspects_N: torch.Tensor, size: int, generator: torch.Generator
) -> tuple[torch.Tensor, np.ndarray]:
    """Views of all frames, uint8, and their cosines with every word."""
    device = next(encoder.parameters()).device
    encoder.eval()
    vectors_VD = encoder.read(torch.arange(1, len(encoder.config.words) + 1, device=device)[:, None])
    views, cosines = [], []
    starts = [start for _ in range(_VIEWS_A_FRAME) for start in range(0, len(frames_NCSS), _BATCH)]
    for start in progress(starts, description="own words", unit="batch"):
        frames_BCSS = frames_NCSS[start : start + _BATCH].float() / 255
        aspects_B = aspects_N[start : start + _BATCH]
        cut_BCHW = cut_views(frames_BCSS, size, _SCALE, 0.0, generator, aspects_B, tries=_TRIES)
        views.append((cut_BCHW * 255).round().to(torch.uint8))
        cosines.append(encoder.placed(encoder.features(as_pixels(views[-1], device))) @ vectors_VD.T)
    return torch.cat(views), torch.cat(cosines).float().cpu().numpy()


def _pictured(cosines_NV: np.ndarray, ranked_NV: np.ndarray, likest: int) -> list[int]:
    """Words that their likest views are much likelier to show than others are, in order of that."""
    above_V = np.take_along_axis(cosines_NV, ranked_NV[:likest], axis=0).mean(0) - cosines_NV.mean(0)
    return [int(word) for word in np.argsort(-above_V, kind="stable")[: round(_PICTURED * len(above_V))]]


def _foils(
    word: int, count: int, pools: dict[int, np.ndarray], unlike_N: np.ndarray, draw: np.random.Generator
) -> list[tuple[int, int]]:
    """Views likest to other words, each to another one, that are unlike this word: (word, view)."""
    foils: list[tuple[int, int]] = []
    for other in map(int, draw.permutation([one for one in pools if one != word])):
        fitting = pools[other][unlike_N[pools[other]]]
        if len(fitting):
            foils.append((other, int(draw.choice(fitting))))
        if len(foils) == count:
            break
    return foils


def _only_shown_once(shown: Sequence[tuple[int, int]], unlike: Mapping[int, np.ndarray]) -> list[int]:
    """Words, each with a view, that the views of all others are unlike."""
    return [word for word, _ in shown if all(unlike[word][view] for other, view in shown if other != word)]


def _prompt(word: str, form: str) -> str:
    """Picture Vocabulary's, with pictures so called.

    >>> _prompt("ball", "AB-")
    "Touch the image of 'ball' (A)<image> (B)<image> <image>"
    """
    pictures = (IMAGE_TOKEN if letter == _UNCALLED else f"({letter}){IMAGE_TOKEN}" for letter in form)
    return " ".join([f"Touch the image of '{word}'", *pictures])
