"""What a stage learns from, prepared once by every node and mapped by all its processes.

set ── one process of each node ── pictures' ids ── all of them decode ── table of pictures ─┐
                                └─ conversations ── all of them encode ── samples ───────────┴─ mapped by all
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from accelerate import Accelerator
from transformers import PreTrainedTokenizerBase

from babyvlm.curation.chronology import chronology
from babyvlm.curation.columns import picture_numbers
from babyvlm.curation.sets import PretrainingSet
from babyvlm.model.dual_encoder import TextReader
from babyvlm.model.llava_config import Fit
from babyvlm.model.processing import ConversationEncoder
from babyvlm.names import StageName
from babyvlm.records import Conversation, Split, Utterance
from babyvlm.training.batches import Sample
from babyvlm.training.configuration import MultimodalStage, Recipe
from babyvlm.training.encoded import Compact, Encoded, read_samples, write_samples
from babyvlm.training.encoding import TOO_LONG, encode_rows, encode_share, join_shares, write_numbers
from babyvlm.training.nodes import NodeCache, decided_by_node
from babyvlm.training.origins import no_origin, origin_reader
from babyvlm.training.pairs import Pairs
from babyvlm.training.pictures import PixelTable
from babyvlm.training.processes import give_back_memory
from babyvlm.training.room import held_out_pairs, table_formats
from babyvlm.training.samples import evenly, numbered, packed_utterances, training_frames
from babyvlm.training.validation import some_of_each

_VERSION = 2
"""To be raised when the same samples are written or encoded in another way."""


@dataclass(frozen=True, kw_only=True)
class StageSamples:
    """Samples by source, and the pictures that they show."""

    sources: dict[str, Sequence[Sample]]
    pictures: PixelTable | None
    too_long: int = 0
    """Conversations that exceed the context."""


class StageData:
    """Prepares stages' data; every process must call each method alike.

    Args:
        recipe: The resolved configuration.
        data: The curated set.
        cache: Of this node.
        accelerator: The processes.
        content: Digest of the set's content.
    """

    def __init__(
        self, recipe: Recipe, data: PretrainingSet, cache: NodeCache, accelerator: Accelerator, content: str
    ) -> None:
        self._recipe, self._data, self._cache = recipe, data, cache
        self._accelerator, self._content = accelerator, content

    def frames(self) -> PixelTable | None:
        """Those of the vision stage; None where the set holds none."""
        settings = self._recipe.vision
        fit: Fit = "stretch" if settings.uncropped else self._recipe.model.image_fit
        return self._unless_empty(lambda: training_frames(self._data, settings.frames), settings.source_size, fit)

    def held_out_frames(self) -> PixelTable | None:
        """Some of the validation split; None where there are none, or none are asked for."""
        size = self._recipe.vision.source_size
        return self._unless_empty(lambda: held_out_pairs(self._data, self._recipe), size)

    def frames_of_pairs(self) -> PixelTable:
        """Training frames that an utterance goes with, larger than the model's, for views of them."""
        return self._pictures(lambda: training_frames(self._data, "pairs"), self._recipe.vision.source_size)

    def samples(
        self, stage: StageName, tokenizer: PreTrainedTokenizerBase, stages: Sequence[StageName]
    ) -> StageSamples:
        """Training samples of a multimodal stage.

        Args:
            stage: Which.
            tokenizer: The run's.
            stages: Those to run: pictures are decoded for all that share them.
        """
        data, settings = self._data, self._settings(stage)

        first = decided_by_node(self._accelerator, lambda: picture_numbers(data, settings.formats, "train")[1])
        shared = table_formats(self._recipe, stage, stages)
        size = self._recipe.model.image_size
        pictures = self._pictures(
            lambda: (each for name in shared for each in data.picture_ids(name, "train")), size, first=first
        )
        give_back_memory()
        made = self._read(self._encoded(stage, tokenizer, "train"))
        return StageSamples(sources=made.sources, pictures=pictures, too_long=made.facts.get(TOO_LONG, 0))

    def held_out_samples(self, stage: StageName, tokenizer: PreTrainedTokenizerBase) -> StageSamples:
        """Some samples of the validation split, of every source; none where none are asked for."""
        if not self._recipe.validations:
            return StageSamples(sources={}, pictures=None)
        rows: list[Conversation] = []

        def choose() -> int:
            formats = self._settings(stage).formats
            every = [row for name in formats for row in self._data.conversations(name, "validation")]
            rows.extend(some_of_each(every, self._recipe.validation_samples))
            return len(rows)

        if not decided_by_node(self._accelerator, choose):
            return StageSamples(sources={}, pictures=None)

        def ids() -> dict[str, int]:
            return numbered(image for row in rows for image in row.images)

        pictures = self._pictures(ids, self._recipe.model.image_size)
        made = self._read(self._encoded(stage, tokenizer, "validation", rows))
        return StageSamples(sources=made.sources, pictures=pictures)

    def pairs(self, reader: TextReader) -> tuple[Pairs, PixelTable, int]:
        """Training pairs of the contrastive stage, their pictures, and how many pairs were left out for their words."""
        settings, data = self._recipe.contrastive, self._data
        learned = "vision" in settings.trains
        index = numbered(each for name in settings.formats for each in data.picture_ids(name, "train"))
        size = self._recipe.vision.source_size if learned else self._recipe.model.image_size
        pictures = self._pictures(lambda: index, size)
        rows = (row for name in settings.formats for row in data.each_conversation(name, "train"))
        asked = settings.order.is_timed or settings.keep_at
        pairs, unknown = Pairs.of(rows, reader, index, origin_reader(data) if asked else no_origin)
        return pairs, pictures, unknown

    def held_out_utterances(self, reader: TextReader) -> tuple[Pairs, PixelTable] | None:
        """Some pairs of the validation split and their pictures; None where there are none, or none are asked for."""
        if not self._recipe.validations:
            return None
        formats = self._recipe.contrastive.formats
        every = [row for name in formats for row in self._data.conversations(name, "validation")]
        rows = some_of_each(every, self._recipe.validation_samples)
        index = numbered(image for row in rows for image in row.images)
        pairs, _ = Pairs.of(rows, reader, index)
        return (pairs, self._pictures(lambda: index, self._recipe.model.image_size)) if len(pairs) else None

    def text(self, tokenizer: PreTrainedTokenizerBase, split: Split) -> dict[str, Sequence[Sample]]:
        """Packed utterances of a split as one source; those of the validation split may be none."""
        settings, times = self._recipe.language, chronology(self._data.recordings)
        length, timed = settings.packed_tokens, settings.order.is_timed and split == "train"
        numbers = {recording.id: number for number, recording in enumerate(self._data.recordings)}

        def when(utterance: Utterance) -> tuple[float, float]:
            known = times.get(utterance.recording)
            return (math.inf if known is None else known.rank), utterance.start_s

        def begin() -> tuple[str, Callable[[Path], None]]:
            def fill(folder: Path) -> None:
                spoken = self._data.utterances(split)
                if timed:
                    spoken = sorted(spoken, key=when)
                packed = packed_utterances(spoken, tokenizer, length, numbers) if spoken or split == "train" else []
                if split == "validation":
                    packed = evenly(packed, self._recipe.validation_samples)
                write_samples(folder, (("text", Compact.of_sample(*each)) for each in packed), {})

            most = self._recipe.validation_samples if split == "validation" else 0
            return self._name("text", split, tokenizer.backend_tokenizer.to_str(), length, most, timed), fill

        return self._read(self._cache.made(begin)).sources

    def _encoded(
        self, stage: StageName, tokenizer: PreTrainedTokenizerBase, split: Split, rows: Sequence[Conversation] = ()
    ) -> Path:
        """Where the samples are: of all training records, of which each process of a node encodes its share, or of some
        rows of another split, which the first process has."""
        shape, settings, data, place = self._recipe.model, self._settings(stage), self._data, self._cache.place
        encoder = ConversationEncoder(tokenizer, image_token_id=shape.vocabulary, image_tokens=shape.image_tokens)

        def begin() -> tuple[str, Callable[[Path], None]]:
            def fill(folder: Path) -> None:
                if split == "train":
                    write_numbers(folder, picture_numbers(data, settings.formats, split)[0])

            made_by = (settings.formats, settings.template, asdict(settings.samples), shape.context)
            most = self._recipe.validation_samples if split == "validation" else 0
            words = tokenizer.backend_tokenizer.to_str()
            return self._name(split, words, *made_by, shape.vocabulary, shape.image_tokens, most), fill

        def share(folder: Path) -> None:
            if split == "train":
                encode_share(folder, data, encoder, settings, context=shape.context, place=place)
            elif place.leads:
                encode_rows(folder, rows, encoder, settings, context=shape.context)

        def join(folder: Path) -> None:
            if split == "train":
                join_shares(folder, settings.formats, place.local_processes)

        folder = self._cache.made(begin, share, join)
        give_back_memory()
        return folder

    def _read(self, folder: Path) -> Encoded:
        shape = self._recipe.model
        return read_samples(folder, image_token=shape.vocabulary, image_tokens=shape.image_tokens)

    def _name(self, *made_by: object) -> str:
        facts = json.dumps([_VERSION, self._content, *made_by])
        return f"samples-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"

    def _unless_empty(
        self, images: Callable[[], Sequence[str]], size: int, fit: Fit | None = None
    ) -> PixelTable | None:
        there = decided_by_node(self._accelerator, lambda: bool(images()))
        return self._pictures(images, size, fit) if there else None

    def _pictures(
        self, images: Callable[[], Iterable[str]], size: int, fit: Fit | None = None, first: int | None = None
    ) -> PixelTable:
        return PixelTable(
            self._data,
            images,
            size=size,
            fit=fit or self._recipe.model.image_fit,
            cache=self._cache,
            accelerator=self._accelerator,
            content=self._content,
            first=first,
        )

    def _settings(self, stage: StageName) -> MultimodalStage:
        settings: MultimodalStage = getattr(self._recipe, stage)
        return settings
