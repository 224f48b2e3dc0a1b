"""A setting that cannot have its effect is refused, and no command ends without a word."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest

from babyvlm.cli import main
from babyvlm.corpus.recognition import RecognitionConfig
from babyvlm.curation import PretrainingSet
from babyvlm.errors import ConfigError


@pytest.fixture(scope="module")
def curated(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("curated") / "set"
    main(["curate", str(small_corpus), "--out", str(out), "--workers", "1"])
    return out


@pytest.mark.case("promises")
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--min-frame-alignment", "0.25"], "min_frame_alignment .0.25. cannot apply"),
        (["--min-clip-alignment", "0.3"], "min_clip_alignment .0.3. cannot apply"),
        (["--min-frame-alignment", "0.25", "--aligner", "clip", "--models.clip", ""], "min_frame_alignment"),
        (["--aligner", "clip", "--models.clip", "", "--models.x-clip", ""], "scores nothing"),
        (["--models.clip", "somewhere"], "--models"),
        (["--aligner", "self", "--models.x-clip", "somewhere"], "--models"),
        (["--own.steps", "7"], "--own"),
        (["--aligner", "clip", "--own.width", "8"], "--own"),
        (["--encoder.model", "somewhere"], "--encoder.. are settings of --aligner encoder"),
        (["--aligner", "encoder"], "needs --encoder.model"),
        (["--aligner", "encoder", "--encoder.parts", "0", "--encoder.model", "x"], "parts must be at least 1, not 0"),
        (["--aligner", "encoder", "--encoder.model", "no-such-folder/at/all"], "no-such-folder"),
        (["--aligner", "encoder", "--encoder.model", "somewhere", "--own.width", "8"], "--own"),
        (["--languages", "en"], "no transcript declares a language"),
        (["--child-speakers", "Anna"], "no transcript has a speaker 'Anna'.*mother"),
        (["--instruction.seed", "7"], "no recording has boxes"),
    ],
)
def test_settings_without_effect_are_refused(
    small_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["curate", str(small_corpus), "--out", str(tmp_path / "out"), "--workers", "1", *flags])
    assert ended.value.code == 2 and not (tmp_path / "out").exists()
    assert re.search(says, capsys.readouterr().err)


@pytest.mark.case("promises")
@pytest.mark.parametrize("flags", [["--min-frame-alignment", "0.25"], ["--min-clip-alignment", "0.1"]])
def test_a_threshold_on_what_was_never_scored_is_refused(
    curated: Path, tmp_path: Path, capsys, flags: list[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["corpus", "select", str(curated), "--out", str(tmp_path / "out"), *flags])
    assert "were never scored (its aligner was none)" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.case("promises")
def test_a_manifest_says_which_thresholds_were_not_applied(curated: Path) -> None:
    manifest = PretrainingSet(curated).manifest
    assert manifest.configuration["not_applied"] == ["min_frame_alignment", "min_clip_alignment"]


@pytest.mark.case("promises")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["corpus", "select", "SET", "--out", "OUT", "--clip-frames", "2"],
            "OUT: 3 recordings, 21 utterances, 21 clips",
        ),
        (["corpus", "export", "SET", "--out", "OUT", "--layout", "llava"], "files written in the layout llava"),
        (
            ["corpus", "export", "SET", "--out", "OUT", "--layout", "huggingface"],
            "files written in the layout huggingface",
        ),
        (["corpus", "card", "SET", "--out", "OUT"], "card of"),
    ],
)
def test_commands_end_with_what_they_made(
    curated: Path, tmp_path: Path, capsys, arguments: list[str], says: str
) -> None:
    out = tmp_path / ("card.html" if "card" in arguments else "out")
    main([{"SET": str(curated), "OUT": str(out)}.get(each, each) for each in arguments])
    assert says.replace("OUT", str(out)) in capsys.readouterr().out and out.exists()


@pytest.mark.case("promises")
def test_pocketsphinx_has_no_choice_of_models() -> None:
    with pytest.raises(ConfigError, match="has its own model"):
        RecognitionConfig(engine="pocketsphinx", model="large-v3")


@pytest.mark.case("promises")
def test_nothing_transcribed_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        picture = container.add_stream("libx264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
        chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        chunk.sample_rate, chunk.pts = 16000, 0
        container.mux(sound.encode(chunk))
        container.mux(sound.encode())
    with pytest.raises(SystemExit):
        main(["corpus", "transcribe", str(tmp_path), "--engine", "pocketsphinx", "--track", "3"])
    assert "not one recording could be transcribed" in capsys.readouterr().err
