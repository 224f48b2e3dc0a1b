from __future__ import annotations

from pathlib import Path

import pytest

from babyvlm.cli import main
from babyvlm.errors import OutputExistsError
from babyvlm.reports.card import write_card


@pytest.fixture(scope="module")
def curated(make_video, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    for name in ("S_20140320_1703_04", "A_20130531_0818_01"):
        make_video(folder / "corpus" / f"{name}.mp4", seconds=8)
        cues = "00:00.500 --> 00:02.000\n<v Mother>look a dog & cats\n\n00:03.000 --> 00:06.000\n<v Child>ba\n"
        (folder / "corpus" / f"{name}.vtt").write_text(f"WEBVTT\n\n{cues}\n00:06.000 --> 00:07.500\nthe ball\n")
    main(["curate", str(folder / "corpus"), "--out", str(folder / "set"), "--min-window", "1", "--workers", "1"])
    return folder / "set"


def test_the_card_says_what_the_set_holds(curated: Path) -> None:
    page = (curated / "card.html").read_text(encoding="utf-8")
    assert "4 utterances" in page and "2 children" in page and "utterance of the child" in page
    assert "3 of " in page and "dog (2)" in page and "cat (2)" in page  # early words, plurals too
    assert page.count("<svg") == 2 and "look a dog &amp; cats" in page
    assert "restricted: SAYCam" in page and "data:image" not in page and "are not shown" in page


def test_restricted_frames_are_shown_on_request(curated: Path, tmp_path: Path) -> None:
    main(["corpus", "card", str(curated), "--out", str(tmp_path / "card.html"), "--i-may-share", "restricted"])
    assert "data:image/jpeg" in (tmp_path / "card.html").read_text()
    with pytest.raises(OutputExistsError):
        write_card(curated, tmp_path / "card.html")
