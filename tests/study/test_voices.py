"""Recorded prompts: what there is to record, what is found, and that it reaches the participant of the trial alone."""

import pytest

from babyvlm.cli import main
from babyvlm.errors import ConfigError
from babyvlm.study import ServeConfig, StudyConfig
from babyvlm.study.begin import open_study
from babyvlm.study.voices import Voices, sentences_of
from tests.study.study_world import PASSWORD, PIN, SHORT, Taker

RECORDED = StudyConfig(**(vars(SHORT) | {"speech": "recorded", "tasks": ("visual_delayed_response_open",)}))


@pytest.fixture
def recordings(toolbox, tmp_path):
    """A folder with every sentence of the study but the attention check's."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for sentence in sentences_of(toolbox.items, RECORDED):
        if sentence.times:
            (folder / f"{sentence.stem}.mp3").write_bytes(sentence.text.encode())
    return folder


def test_what_is_shown_is_what_is_heard_first_the_film_then_the_question(begin, served, recordings):
    service = begin(RECORDED, voices=Voices(recordings))
    with served(service) as base:
        first, second = (Taker(base, invited.token) for invited in service.store.invite("adult", "main", count=2))
        trial = first.begin()["trial"]
        second.begin()
        assert trial["voices"] == ["watch", "say"] and trial["show"]["watch"].startswith("Watch the ")
        for moment in trial["voices"]:
            heard = first.http.get(f"/api/voice/{trial['key']}/{moment}")
            assert heard.text == trial["show"][moment] and heard.headers["content-type"] == "audio/mpeg"
        assert second.http.get(f"/api/voice/{trial['key']}/say").status_code == 404
        assert first.http.get(f"/api/voice/{trial['key']}/gold").status_code == 422


def test_the_command_lists_what_is_to_be_recorded(toolbox, recordings, capsys):
    one_task = ["study", "prompts", str(toolbox.folder), "--tasks", "visual_delayed_response_open"]
    main([*one_task, "--voice", str(recordings), "--missing"])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "missing  touch-the-red-circle.mp3  Touch the red circle." and len(said) == 2
    main(["study", "prompts", str(toolbox.folder)])
    assert "how-many-cups-do-you-see.mp3  How many cups do you see?" in capsys.readouterr().out


def test_a_study_with_recordings_says_what_it_lacks(toolbox, recordings, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BABYVLM_STUDY_PASSWORD", PASSWORD)
    monkeypatch.setenv("BABYVLM_STUDY_PIN", PIN)
    with pytest.raises(ConfigError, match="--voice FOLDER"):
        open_study(toolbox, str(tmp_path / "study.db"), RECORDED, ServeConfig())
    with pytest.raises(ConfigError, match="no such folder"):
        open_study(toolbox, str(tmp_path / "study.db"), RECORDED, ServeConfig(voice=tmp_path / "nowhere"))
    open_study(toolbox, str(tmp_path / "study.db"), RECORDED, ServeConfig(voice=recordings))
    assert "1 of 13 sentences have no recording, 'Touch the red circle.' among them" in capsys.readouterr().out
    (recordings / "touch-the-red-circle.mp3").touch()
    (recordings / "touch-the-red-circle.wav").touch()
    with pytest.raises(ConfigError, match="say the same"):
        Voices(recordings)
