"""A curated set in the layouts that others read: the published LLaVA JSON, and a folder for Hugging Face ``datasets``.

    llava/                                      huggingface/
    ├── image_train.json                        ├── README.md          licence, and which file is which configuration
    ├── video_train.json ...                    ├── data/image-train-00000.parquet ...
    └── images/<id>.jpg                         └── data/utterances-train-00000.parquet

The LLaVA layout loads back to the same records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from babyvlm.curation.sets import INSTRUCTION, PretrainingSet
from babyvlm.errors import DataFolderError
from babyvlm.folders import fresh_folder
from babyvlm.images import image_suffix
from babyvlm.licences import is_restricted
from babyvlm.progress import progress
from babyvlm.records import IMAGE_TOKEN, Conversation, Format, Split, Turn

_SPLITS: tuple[Split, ...] = get_args(Split)
_FORMATS: tuple[Format, ...] = ("image", "video", "interleaved", "instruction")
_ROWS_A_GROUP, _ROWS_A_FILE = 100, 20_000


def export_llava(folder: Path, out: Path) -> None:
    """Writes the published conversation records and their images.

    Args:
        folder: A pretraining set.
        out: Where it goes; must not exist, or be empty.

    Raises:
        DataFolderError: ``folder`` is no whole pretraining set.
        OutputExistsError: ``out`` holds something.
    """
    data = PretrainingSet(folder)
    with fresh_folder(out) as partial:
        (partial / "images").mkdir()
        paths: dict[str, str] = {}
        for name, conversations in _parts(data):
            records = []
            for conversation in progress(conversations, description=f"export {name}", unit="record"):
                for image in conversation.images:
                    if image not in paths:
                        encoded = data.jpeg(image)
                        paths[image] = f"images/{image}{image_suffix(encoded)}"
                        (partial / paths[image]).write_bytes(encoded)
                records.append(json.dumps(_llava_record(conversation, paths), ensure_ascii=False))
            lines = ",\n".join(records)
            (partial / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read_llava(folder: Path) -> Iterator[Conversation]:
    """Reads back what ``export_llava`` wrote, file by file.

    Raises:
        DataFolderError: A record does not read.
    """
    for path in sorted(folder.glob("*.json")):
        try:
            records = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DataFolderError(f"does not read as JSON ({error})", path=path) from error
        for number, record in enumerate(records if isinstance(records, list) else [records]):
            try:
                yield _from_llava(record)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise DataFolderError(f"not a record ({error})", path=path, place=f"[{number}]") from error


def _parts(data: PretrainingSet) -> Iterator[tuple[str, list[Conversation]]]:
    for name in _FORMATS:
        if name == INSTRUCTION and not data.has_instruction:
            continue
        for split in _SPLITS:
            if conversations := data.conversations(name, split):
                yield f"{name}_{split}", conversations


def _llava_record(conversation: Conversation, paths: Mapping[str, str]) -> dict[str, Any]:
    said: list[dict[str, str]] = []
    for turn in conversation.turns:
        said += [{"from": "human", "value": turn.prompt}, {"from": "gpt", "value": turn.answer}]
    return {
        "id": conversation.id,
        "image": [paths[image] for image in conversation.images],
        "conversations": said,
        "split": conversation.split,
        "meta": conversation.model_dump(include={"format", "recording", "start_s", "end_s", "task"}),
    }


def _from_llava(record: dict[str, Any]) -> Conversation:
    said = [part["value"] for part in record["conversations"]]
    return Conversation(
        id=record["id"],
        images=tuple(Path(path).name.removesuffix(".jpg").removesuffix(".png") for path in record["image"]),
        turns=tuple(Turn(prompt=prompt, answer=answer) for prompt, answer in zip(said[::2], said[1::2], strict=True)),
        split=record["split"],
        **record["meta"],
    )


_RECORD_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
        ("turns", pa.list_(pa.struct([("prompt", pa.string()), ("answer", pa.string())]))),
        ("recording", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("task", pa.string()),
    ]
).with_metadata(
    {
        "huggingface": json.dumps(
            {
                "info": {
                    "features": {
                        "id": {"dtype": "string", "_type": "Value"},
                        "images": {"feature": {"_type": "Image"}, "_type": "List"},
                        "turns": {
                            "feature": {
                                "prompt": {"dtype": "string", "_type": "Value"},
                                "answer": {"dtype": "string", "_type": "Value"},
                            },
                            "_type": "List",
                        },
                        "recording": {"dtype": "string", "_type": "Value"},
                        "start_s": {"dtype": "float64", "_type": "Value"},
                        "end_s": {"dtype": "float64", "_type": "Value"},
                        "task": {"dtype": "string", "_type": "Value"},
                    }
                }
            }
        )
    }
)


def export_huggingface(folder: Path, out: Path) -> None:
    """Writes Parquet files with the images inside, and the card that ``datasets`` reads.

    Args:
        folder: A pretraining set.
        out: Where it goes; must not exist, or be empty.

    Raises:
        DataFolderError: ``folder`` is no whole pretraining set.
        OutputExistsError: ``out`` holds something.
    """
    data = PretrainingSet(folder)
    with fresh_folder(out) as partial:
        (partial / "data").mkdir()
        files: dict[str, list[str]] = {}
        for name, conversations in _parts(data):
            kind, _, split = name.rpartition("_")
            files.setdefault(kind, []).append(split)
            for number, first in enumerate(range(0, len(conversations), _ROWS_A_FILE)):
                path = partial / "data" / f"{kind}-{split}-{number:05d}.parquet"
                _write_rows(path, data, conversations[first : first + _ROWS_A_FILE])
        for split in _SPLITS:
            if utterances := data.utterances(split):
                files.setdefault("utterances", []).append(split)
                table = pa.Table.from_pylist([utterance.model_dump() for utterance in utterances])
                pq.write_table(table, partial / "data" / f"utterances-{split}-00000.parquet", compression="zstd")
        (partial / "README.md").write_text(_readme(data, files), encoding="utf-8")


def _write_rows(path: Path, data: PretrainingSet, conversations: Iterable[Conversation]) -> None:
    pending: list[dict[str, Any]] = []
    with pq.ParquetWriter(str(path), _RECORD_SCHEMA, compression="zstd") as writer:

        def flush() -> None:
            if pending:
                writer.write_table(pa.Table.from_pylist(pending, schema=_RECORD_SCHEMA))
                pending.clear()

        for conversation in conversations:
            row = conversation.model_dump(include=set(_RECORD_SCHEMA.names) - {"images"})
            encoded = {image: data.jpeg(image) for image in conversation.images}
            row["images"] = [
                {"bytes": encoded[image], "path": image + image_suffix(encoded[image])} for image in conversation.images
            ]
            pending.append(row)
            if len(pending) == _ROWS_A_GROUP:
                flush()
        flush()


def _readme(data: PretrainingSet, files: dict[str, list[str]]) -> str:
    licences = sorted({recording.licence for recording in data.recordings})
    lines = ["---", "license: other", f"license_name: {json.dumps('; '.join(licences))}", "configs:"]
    for kind, splits in files.items():
        lines += [f"- config_name: {kind}", "  data_files:"]
        for split in splits:
            lines += [f"  - split: {split}", f"    path: data/{kind}-{split}-*.parquet"]
    lines += ["---", "", "# A pretraining set of babyvlm", ""]
    if any(map(is_restricted, licences)):
        lines += ["**Restricted: do not publish or pass on.** The recordings were given under an agreement.", ""]
    hours = sum(recording.duration_s for recording in data.recordings) / 3600
    lines += [
        f"{len(data.recordings)} recordings, {hours:.1f} hours. Licence: {'; '.join(licences)}.",
        "",
        f'`datasets.load_dataset(FOLDER, "image", split="train")`; `{IMAGE_TOKEN}` stands for the next image.',
        "",
    ]
    return "\n".join(lines)
