"""A curated set goes out in other layouts, and is selected again, without loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from babyvlm.cli import main
from babyvlm.curation import CurationConfig, PretrainingSet, curate
from babyvlm.curation.exporting import export_llava, read_llava
from babyvlm.curation.reselect import SelectionChanges, reselect
from babyvlm.curation.shards import ClipScores
from babyvlm.errors import ConfigError, OutputExistsError


class NumberAligner:
    """Scores the clip of "word 3" with 0.3."""

    name = "number"

    def fit(self, recordings):
        return None

    def score(self, recording, clips):
        for clip in clips:
            number = int(clip.text.split()[-1]) / 10
            yield ClipScores(clip=number, frames=tuple(number + 0.01 * n for n in range(len(clip.pictures))))


@pytest.fixture(scope="module")
def curated(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("curated") / "set"
    curate(small_corpus, out, CurationConfig(min_window=2), workers=1, aligner=NumberAligner())
    return out


def records(folder: Path) -> list:
    data = PretrainingSet(folder)
    return sorted(
        (each for name in ("image", "video", "interleaved") for each in data.conversations(name)),
        key=lambda each: (each.format, each.id),
    )


def test_llava_loads_back_to_the_same_records(curated: Path, tmp_path: Path) -> None:
    export_llava(curated, tmp_path / "llava")
    again = sorted(read_llava(tmp_path / "llava"), key=lambda each: (each.format, each.id))
    assert again == records(curated)
    published = json.loads((tmp_path / "llava" / "interleaved_train.json").read_text())[0]
    assert [part["from"] for part in published["conversations"][:2]] == ["human", "gpt"]
    assert sum(part["value"].count("<image>") for part in published["conversations"]) == len(published["image"])
    for path in published["image"]:
        image = Path(path).stem
        assert (tmp_path / "llava" / path).read_bytes() == PretrainingSet(curated).jpeg(image)
    with pytest.raises(OutputExistsError):
        export_llava(curated, tmp_path / "llava")


def test_datasets_loads_the_folder(curated: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed: pip install datasets")
    main(["corpus", "export", str(curated), "--out", str(tmp_path / "hub"), "--layout", "huggingface"])
    loaded = datasets.load_dataset(str(tmp_path / "hub"), "video", split="test", cache_dir=str(tmp_path / "cache"))
    expected = {each.id: each for each in PretrainingSet(curated).conversations("video", "test")}
    assert {row["id"] for row in loaded} == set(expected)
    row = loaded[0]
    assert row["images"][0].size == (160, 120)
    assert row["turns"][0]["answer"] == expected[row["id"]].turns[0].answer
    spoken = datasets.load_dataset(
        str(tmp_path / "hub"), "utterances", split="train", cache_dir=str(tmp_path / "cache")
    )
    assert spoken.num_rows == 14 and "restricted" in (tmp_path / "hub" / "README.md").read_text().lower()


def test_other_thresholds_give_what_curating_with_them_gives(curated: Path, small_corpus: Path, tmp_path: Path) -> None:
    changes = SelectionChanges(min_clip_alignment=0.35, min_frame_alignment=0.405, max_window=3)
    reselect(curated, tmp_path / "again", changes)
    config = CurationConfig(min_window=2, min_clip_alignment=0.35, min_frame_alignment=0.405, max_window=3)
    curate(small_corpus, tmp_path / "direct", config, workers=1, aligner=NumberAligner())
    assert records(tmp_path / "again") == records(tmp_path / "direct") != records(curated)
    again, direct = PretrainingSet(tmp_path / "again"), PretrainingSet(tmp_path / "direct")
    assert (again.manifest.counts, again.manifest.skipped) == (direct.manifest.counts, direct.manifest.skipped)
    assert again.images.ids == direct.images.ids and len(again.utterances()) == 21
    with pytest.raises(ConfigError, match="--min-frame-alignment"):
        reselect(curated, tmp_path / "same", SelectionChanges())
    with pytest.raises(ConfigError, match="nothing is left"):
        reselect(curated, tmp_path / "none", SelectionChanges(min_clip_alignment=2.0))
