"""Samples on disk, mapped by all processes of a node: what a process holds of them does not grow with the data.

    CACHE/samples-DIGEST/0.arrow       tokens and images of a sample, and where it comes from; one file a source
                         sources.json  names and sizes of the sources, in order

A token that is learned is written as its complement, -1 - token. A picture is one placeholder, whatever number of them
the model takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

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


def write_samples(folder: Path, samples: Iterable[tuple[str, Compact]], facts: Mapping[str, Any]) -> None:
    """Writes samples as they come, a few in memory at a time.

    Args:
        folder: There, and empty.
        samples: Source and sample, in order.
        facts: What else is to be known of them; read when the samples are written.

    Raises:
        DataFolderError: There is no room.
    """
    writers: dict[str, _Writer] = {}
    try:
        for source, sample in samples:
            if source not in writers:
                writers[source] = _Writer(folder / f"{len(writers)}.arrow")
            writers[source].add(sample)
        for writer in writers.values():
            writer.close()
        sizes = {name: writer.size for name, writer in writers.items()}
        (folder / _SOURCES).write_text(json.dumps({"sources": sizes, **facts}), encoding="utf-8")
    except OSError as error:
        if not is_no_room(error):
            raise
        raise no_room(folder, error) from error


class _Writer:
    def __init__(self, path: Path) -> None:
        self._file = pa.ipc.new_file(str(path), _SCHEMA)
        self._waiting: list[Compact] = []
        self.size = 0

    def add(self, sample: Compact) -> None:
        self._waiting.append(sample)
        self.size += 1
        if len(self._waiting) == BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            origins = [each.origin for each in self._waiting]
            columns = [
                _lists([each.tokens for each in self._waiting]),
                _lists([each.images for each in self._waiting]),
                _lists([origin.recordings for origin in origins]),
                pa.array([origin.start_s for origin in origins], pa.float64()),
                pa.array([origin.words for origin in origins], pa.int32()),
            ]
            self._file.write_batch(pa.record_batch(columns, schema=_SCHEMA))
            self._waiting.clear()

    def close(self) -> None:
        self._flush()
        self._file.close()


def _lists(rows: Sequence[Any]) -> pa.Array:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, np.concatenate([np.asarray(row, np.int32) for row in rows]))


class MappedSamples(Sequence[Sample]):
    """Samples of one source, read from a mapped file as they are asked for.

    Args:
        path: The file.
        image_token: Id of the placeholder.
        image_tokens: How many of them a picture takes.
    """

    def __init__(self, path: Path, *, image_token: int, image_tokens: int) -> None:
        self._image_token, self._image_tokens = image_token, image_tokens
        with pa.memory_map(str(path)) as file:
            reader = pa.ipc.open_file(file)
            batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self._batches = batches
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
