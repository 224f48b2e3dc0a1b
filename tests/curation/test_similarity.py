"""CLIP and X-CLIP from local folders: tiny models of the real classes, against the models called by hand."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer, XCLIPConfig, XCLIPModel

from babyvlm.cli import main
from babyvlm.curation import CurationConfig, PretrainingSet, curate
from babyvlm.curation.alignment import ClipTextPair
from babyvlm.curation.configuration import ClipModels
from babyvlm.curation.similarity import ClipAligner, require_models
from babyvlm.errors import CheckpointError, ConfigError
from tests.curation.folders_alike import same_bytes

TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 64,
        "max_position_embeddings": 12, "projection_dim": 8,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}  # fmt: skip
VISION = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
          "image_size": 32, "patch_size": 16, "projection_dim": 8}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("models")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (root / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(vocabulary)}))
    (root / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(root / "vocab.json"), str(root / "merges.txt"))
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    clip = CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=8))
    mit = {"mit_hidden_size": 8, "mit_intermediate_size": 16, "mit_num_attention_heads": 2, "mit_num_hidden_layers": 1}
    x_clip = XCLIPModel(
        XCLIPConfig(
            text_config=TEXT,
            vision_config={**VISION, **mit, "num_frames": 4, "drop_path_rate": 0.0},
            projection_dim=8,
            prompt_layers=1,
            prompt_num_attention_heads=2,
        )
    )
    for name, model in (("clip", clip), ("x-clip", x_clip)):
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
        processor.save_pretrained(root / name)
    return root / "clip", root / "x-clip"


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50, 3), dtype=np.uint8))


def test_scores_are_the_models_cosines_whatever_the_batch(folders: tuple[Path, Path]) -> None:
    clip_folder, x_clip_folder = map(str, folders)
    clips = [
        ClipTextPair(pictures=tuple(picture(10 * n + k) for k in range(count)), text=text)
        for n, (count, text) in enumerate([(2, "a dog"), (5, "look at the red ball there"), (0, "gone"), (1, "cup")])
    ]
    aligner = ClipAligner(ClipModels(clip=clip_folder, x_clip=x_clip_folder))
    together = list(aligner.score("r", clips))
    alone = [next(iter(aligner.score("r", [clip]))) for clip in clips]
    assert [len(scores.frames or ()) for scores in together] == [2, 5, 0, 1]
    assert [scores.clip is None for scores in together] == [False, False, True, False]
    for first, second in zip(together, alone, strict=True):
        assert (first.clip or 0) == pytest.approx(second.clip or 0, abs=1e-4)
        assert first.frames == pytest.approx(second.frames, abs=1e-4)
    model = CLIPModel.from_pretrained(clip_folder).eval()
    encoded = CLIPTokenizer.from_pretrained(clip_folder)(["a dog"], return_tensors="pt")
    pixels = CLIPImageProcessor.from_pretrained(clip_folder)(images=list(clips[0].pictures), return_tensors="pt")
    with torch.no_grad():
        logits = model(**encoded, pixel_values=pixels["pixel_values"]).logits_per_image[:, 0] / model.logit_scale.exp()
    assert together[0].frames == pytest.approx(logits.tolist(), abs=1e-4)
    assert len({scores.clip for scores in together}) == 4


class Watched(Sequence[Image.Image]):
    """Pictures that note which threads look at them."""

    def __init__(self, pictures: Sequence[Image.Image]) -> None:
        self._pictures, self.threads = pictures, set[int]()

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: Any) -> Any:
        self.threads.add(threading.get_ident())
        return self._pictures[index]


def some_clips(count: int) -> list[ClipTextPair]:
    texts = ("a dog", "look at the red ball there", "cup", "gone")
    return [
        ClipTextPair(pictures=tuple(picture(10 * n + k) for k in range(n % 4)), text=texts[n % 3]) for n in range(count)
    ]


def test_pictures_are_prepared_in_other_threads_with_the_same_scores(folders: tuple[Path, Path]) -> None:
    models = ClipModels(clip=str(folders[0]), x_clip=str(folders[1]), clips_at_once=4)
    clips = [ClipTextPair(pictures=Watched(each.pictures), text=each.text) for each in some_clips(30)]
    one = list(ClipAligner(replace(models, preparing=1)).score("r", clips))
    assert one == list(ClipAligner(replace(models, preparing=5)).score("r", clips)) and len(one) == 30
    for clip in clips:
        assert isinstance(clip.pictures, Watched) and threading.get_ident() not in clip.pictures.threads
        assert clip.pictures.threads or not len(clip.pictures)


@pytest.mark.parametrize(("precision", "within"), [("float16", 0.003), ("bfloat16", 0.02)])
def test_half_precision_is_close_and_named(folders: tuple[Path, Path], precision: Any, within: float) -> None:
    models = ClipModels(clip=str(folders[0]), x_clip=str(folders[1]))
    half = replace(models, precision=precision)
    whole, near = (list(ClipAligner(each).score("r", some_clips(40))) for each in (models, half))
    for first, second in zip(whole, near, strict=True):
        assert second.frames == pytest.approx(first.frames, abs=within)
        assert (second.clip is None) == (first.clip is None)
        assert (second.clip or 0) == pytest.approx(first.clip or 0, abs=within)
    assert [each.frames for each in whole] != [each.frames for each in near]
    assert ClipAligner(half).name == f"{ClipAligner(models).name}, in {precision}"


@pytest.mark.case("same result")
def test_two_devices_make_the_same_set_as_one(folders: tuple[Path, Path], small_corpus: Path, tmp_path: Path) -> None:
    models = ClipModels(clip=str(folders[0]), x_clip=str(folders[1]))
    config = CurationConfig(min_frame_alignment=-1, min_clip_alignment=-1)
    for name, devices in (("one", ("cpu",)), ("two", ("cpu", "cpu"))):
        aligner = ClipAligner(replace(models, devices=devices))
        curate(small_corpus, tmp_path / name, config, workers=1, aligner=aligner)
    assert same_bytes(tmp_path / "one", tmp_path / "two")
    scored = list(PretrainingSet(tmp_path / "two").candidates())
    assert scored and all(each.score is not None for each in scored)


def test_a_device_that_is_not_there_is_named(folders: tuple[Path, Path]) -> None:
    for models in (ClipModels(devices=("cuda:99",)), ClipModels(devices=("tpu",)), ClipModels(devices=("gpu:0",))):
        with pytest.raises(ConfigError, match=models.devices[0]):
            require_models(replace(models, clip=str(folders[0]), x_clip=str(folders[1])))
    with pytest.raises(ConfigError, match="clips_at_once"):
        ClipModels(clips_at_once=-1)
    with pytest.raises(ConfigError, match="precision"):
        ClipModels(precision="half")  # type: ignore[arg-type]


def test_either_model_may_be_left_out(folders: tuple[Path, Path]) -> None:
    (scores,) = ClipAligner(ClipModels(clip=str(folders[0]), x_clip="")).score(
        "r", [ClipTextPair(pictures=(picture(0),), text="a")]
    )
    assert scores.clip is None and scores.frames is not None


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"{tmp_path}: does not load as CLIPModel"):
        list(ClipAligner(ClipModels(clip=str(tmp_path))).score("r", [ClipTextPair(pictures=(picture(0),), text="a")]))


@pytest.mark.case("promises")
def test_models_that_are_not_there_are_named_before_anything_is_decoded(
    folders: tuple[Path, Path], small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, x_clip = map(str, folders)
    require_models(ClipModels(clip=clip, x_clip=x_clip))
    for models, named in (
        (ClipModels(clip=str(tmp_path), x_clip=x_clip), str(tmp_path)),
        (ClipModels(clip=clip, x_clip=clip), "of the kind clip"),
    ):
        with pytest.raises(CheckpointError, match=named):
            require_models(models)
    words = ["curate", str(small_corpus), "--out", str(tmp_path / "out"), "--aligner", "clip"]
    with pytest.raises(SystemExit):
        main([*words, "--models.clip", clip, "--models.x-clip", str(tmp_path / "nowhere")])
    assert "nowhere" in capsys.readouterr().err and list(tmp_path.iterdir()) == []
