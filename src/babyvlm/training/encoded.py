"""Samples on disk, mapped by all processes of a node: what a process holds of them does not grow with the data.

    CACHE/samples-DIGEST/0.arrow       tokens and images of a sample, and where it comes from; one file a source
                         sources.json  names and sizes of the sources, in order

A token that is learned is written as its complement, -1 - token. A picture is one placeholder, whatever number of them
the model takes.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import pyarrow as pa

from babyvlm.folders import is_no_room, no_room
from babyvlm.model.modeling import IGNORED
from babyvlm.training.batches import Sample
from babyvlm.training.origins import NO_ORIGIN, Origins, SampleOrigin

_LISTS = ("tokens", "images", "recordings")
_SCHEMA = pa.schema(
    [*((name, pa.list_(pa.int32())) for name in _LISTS), ("start_s", pa.float64()), ("words", pa.int32())]
)
BATCH = 8192
_SOURCES = "sources.json"


@dataclass(frozen=True, slots=True)
class Compact:
    """A sample as it is written."""

    tokens: np.ndarray
    """int32; complements of those that are learned."""
    images: Sequence[int] | np.ndarray
    origin: SampleOrigin = NO_ORIGIN

    @classmethod
    def of(
        cls,
        ids: Sequence[int] | np.ndarray,
        labels: Sequence[int] | np.ndarray,
        images: Sequence[int],
        origin: SampleOrigin = NO_ORIGIN,
    ) -> Compact:
        """Of ids with one placeholder a picture, and labels that are the ids where they are learned."""
        tokens = np.array(ids, dtype=np.int32)
        return cls(np.where(np.array(labels) == IGNORED, tokens, ~tokens), images, origin)

    @classmethod
    def of_sample(cls, sample: Sample, origin: SampleOrigin = NO_ORIGIN) -> Compact:
        """Of a sample without pictures."""
        assert not sample.images
        return cls.of(sample.ids, sample.labels, (), origin)

    def sample(self, image_token: int, image_tokens: int) -> Sample:
        """The sample as the model takes it, with so many placeholders a picture."""
        learned = self.tokens < 0
        ids = np.where(learned, ~self.tokens, self.tokens)
        if (ids == image_token).any():
            times = np.where(ids == image_token, image_tokens, 1)
            ids, learned = np.repeat(ids, times), np.repeat(learned, times)
        labels = np.where(learned, ids, np.int32(IGNORED))
        return Sample(ids=ids, labels=labels, images=tuple(map(int, self.images)))


def write_samples(
    folder: Path, samples: Iterable[tuple[str, Compact | pa.RecordBatch]], facts: Mapping[str, Any]
) -> None:
    """Writes samples as they come, a few in memory at a time. However they come, the same samples make the same bytes.

    Args:
        folder: There.
        samples: Source and sample, or source and several of its samples, in order.
        facts: What else is to be known of them; read when the samples are written.

    Raises:
        DataFolderError: There is no room.
    """
    writers: dict[str, _Writer] = {}
    try:
        for source, sample in samples:
            if source not in writers:
                writers[source] = _Writer(folder / f"{len(writers)}.arrow")
            writers[source].add(sample if isinstance(sample, pa.RecordBatch) else _batch_of([sample]))
        for writer in writers.values():
            writer.close()
        sizes = {name: writer.size for name, writer in writers.items()}
        (folder / _SOURCES).write_text(json.dumps({"sources": sizes, **facts}), encoding="utf-8")
    except OSError as error:
        if not is_no_room(error):
            raise
        raise no_room(folder, error) from error


def join_samples(parts: Sequence[Path], folder: Path) -> None:
    """Puts what several processes wrote one behind the other, as if one had written all of it; removes the parts.

    Args:
        parts: Folders that :func:`write_samples` wrote, in order.
        folder: Where the whole goes.

    Raises:
        DataFolderError: There is no room.
    """
    facts = Counter[str]()

    def each() -> Iterator[tuple[str, pa.RecordBatch]]:
        for part in parts:
            found = json.loads((part / _SOURCES).read_text(encoding="utf-8"))
            for number, source in enumerate(found.pop("sources")):
                yield from ((source, batch) for batch in _mapped(part / f"{number}.arrow"))
            facts.update(found)

    write_samples(folder, each(), facts)
    for part in parts:
        shutil.rmtree(part)


def sample_batch(
    tokens: Lists, images: Lists, recordings: Lists, start_s_N: np.ndarray, words_N: np.ndarray
) -> pa.RecordBatch:
    """Some samples as they are written.

    Args:
        tokens: Complements of those that are learned.
        images: Numbers of pictures.
        recordings: Places of recordings among those of the set.
        start_s_N: Where each begins in its recording.
        words_N: Words of each.
    """
    lists = [
        pa.ListArray.from_arrays(np.cumsum([0, *counts_N], dtype=np.int32), np.asarray(values, np.int32))
        for values, counts_N in (tokens, images, recordings)
    ]
    return pa.record_batch([*lists, pa.array(start_s_N, pa.float64()), pa.array(words_N, pa.int32())], schema=_SCHEMA)


class Lists(NamedTuple):
    """N lists of numbers."""

    values: np.ndarray | Sequence[int]
    """Those of all lists."""
    counts_N: np.ndarray | Sequence[int]
    """How many each has."""

    @classmethod
    def of(cls, rows: Sequence[Sequence[int] | np.ndarray]) -> Lists:
        """Of single ones."""
        return cls(np.concatenate([np.zeros(0, np.int32), *rows]), [len(row) for row in rows])


def samples_of(batch: pa.RecordBatch, image_token: int, image_tokens: int) -> list[Sample]:
    """The samples of a batch in memory, as :meth:`Compact.sample` says."""
    (tokens_at, tokens), (images_at, images) = (_parts(batch.column(name)) for name in _LISTS[:2])
    return [
        Compact(
            tokens[tokens_at[row] : tokens_at[row + 1]], images[images_at[row] : images_at[row + 1]]
        ).sample(image_token, image_tokens)
        for row in range(len(batch))
    ]  # fmt: skip


def _batch_of(samples: Sequence[Compact]) -> pa.RecordBatch:
    origins = [each.origin for each in samples]
    return sample_batch(
        Lists.of([each.tokens for each in samples]),
        Lists.of([each.images for each in samples]),
        Lists.of([origin.recordings for origin in origins]),
        np.array([origin.start_s for origin in origins], np.float64),
        np.array([origin.words for origin in origins], np.int32),
    )


class _Writer:
    """Writes batches of ``BATCH`` samples."""

    def __init__(self, path: Path) -> None:
        self._file = pa.ipc.new_file(str(path), _SCHEMA)
        self._waiting: list[pa.RecordBatch] = []
        self.size = 0

    def add(self, samples: pa.RecordBatch) -> None:
        while len(samples):
            taken = samples[: BATCH - self.size % BATCH]
            samples = samples[len(taken) :]
            self._waiting.append(taken)
            self.size += len(taken)
            if self.size % BATCH == 0:
                self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._file.write_table(pa.Table.from_batches(self._waiting).combine_chunks())
            self._waiting.clear()

    def close(self) -> None:
        self._flush()
        self._file.close()


def _mapped(path: Path) -> list[pa.RecordBatch]:
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file)
        return [reader.get_batch(number) for number in range(reader.num_record_batches)]


class MappedSamples(Sequence[Sample]):
    """Samples of one source, read from a mapped file as they are asked for.

    Args:
        path: The file.
        image_token: Id of the placeholder.
        image_tokens: How many of them a picture takes.
    """

    def __init__(self, path: Path, *, image_token: int, image_tokens: int) -> None:
        self._image_token, self._image_tokens = image_token, image_tokens
        self._batches = batches = _mapped(path)
        self.columns = [tuple(_parts(batch.column(name)) for name in _LISTS) for batch in batches]
        self._size = sum(map(len, batches))

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, place: int) -> Sample: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Sample]: ...

    def __getitem__(self, place: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(self._size))]
        if place < 0:
            place += self._size
        if not 0 <= place < self._size:
            raise IndexError(place)
        batch, row = divmod(place, BATCH)
        tokens, images = (values[offsets[row] : offsets[row + 1]] for offsets, values in self.columns[batch][:2])
        return Compact(tokens, images).sample(self._image_token, self._image_tokens)

    def __iter__(self) -> Iterator[Sample]:
        return (self[place] for place in range(self._size))

    @property
    def origins(self) -> Origins:
        """Where the samples come from."""
        counts = [np.diff(columns[2][0]) for columns in self.columns]
        return Origins(
            recordings_R=_joined([columns[2][1] for columns in self.columns], np.int32),
            first_N=np.concatenate([[0], *counts]).cumsum().astype(np.int64),
            start_s_N=_joined([batch.column("start_s").to_numpy() for batch in self._batches], np.float64),
            words_N=_joined([batch.column("words").to_numpy() for batch in self._batches], np.int32),
        )


def origins_of(sources: Mapping[str, Sequence[Sample]]) -> dict[str, Origins]:
    """Where the samples of each source come from; nothing is known of samples that are not mapped."""
    return {
        name: samples.origins if isinstance(samples, MappedSamples) else Origins.of([NO_ORIGIN] * len(samples))
        for name, samples in sources.items()
    }


def _joined(parts: Sequence[np.ndarray], kind: type[np.generic]) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *parts])


def _parts(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Where rows begin, and all their values; both stay on the disk."""
    offsets, values = column.offsets.to_numpy(), column.values
    return offsets, values.to_numpy() if len(values) else np.zeros(0, np.int32)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What a folder of samples holds."""

    sources: dict[str, Sequence[Sample]]
    facts: dict[str, Any]


def read_samples(folder: Path, *, image_token: int, image_tokens: int) -> Encoded:
    """Opens what :func:`write_samples` wrote."""
    facts = json.loads((folder / _SOURCES).read_text(encoding="utf-8"))
    sources: dict[str, Sequence[Sample]] = {
        name: MappedSamples(folder / f"{number}.arrow", image_token=image_token, image_tokens=image_tokens)
        for number, name in enumerate(facts.pop("sources"))
    }
    return Encoded(sources=sources, facts=facts)
