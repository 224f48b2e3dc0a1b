"""What every corpus layout holds: names read into child, age and date, and a licence that keeps pictures here."""

import datetime

import pytest

from babyvlm.corpus import open_corpus
from babyvlm.corpus.layouts import REGISTRY, NameFacts, layout_of, licence_of, read_name
from babyvlm.curation import PretrainingSet, curate
from babyvlm.errors import ConfigError, InputError
from babyvlm.licences import is_restricted
from babyvlm.records import Recording
from tests.extensions import example_names, names_of

NAMES = names_of(REGISTRY)
STEMS = ["", "visit", "a/b", "2014-02-31", "x" * 300, "\u00e9t\u00e9", "hc--1d-1", "S_20149999_9999_01"]


@pytest.mark.parametrize("name", NAMES)
def test_its_example_is_read_and_other_names_are_not_taken_for_its_own(name):
    example = REGISTRY.get(name).example
    assert isinstance(read_name(example, name), NameFacts) and read_name(example, name) == read_name(example, name)
    for stem in STEMS:
        facts = read_name(stem, name)
        assert (facts is None) == (name != "plain"), stem
    for other in NAMES:
        if "plain" not in (name, other) and other != name:
            assert read_name(REGISTRY.get(other).example, name) is None


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_plausible(name):
    facts = read_name(REGISTRY.get(name).example, name)
    assert facts.child is None or facts.child.strip()
    assert facts.age_months is None or 0 < facts.age_months < 240
    assert facts.date is None or datetime.date(1990, 1, 1) < facts.date <= datetime.date.max


@pytest.mark.parametrize("name", NAMES)
def test_recordings_are_under_its_licence(name, make_video, tmp_path):
    example = REGISTRY.get(name).example
    make_video(tmp_path / f"{example}.mp4", seconds=1)
    corpus = open_corpus(tmp_path, name)
    (recording,) = corpus.recordings
    assert corpus.layout == name and recording.licence == licence_of(name) and licence_of(name).strip()
    assert recording.child == (read_name(example, name).child or "unknown")
    assert Recording.model_validate_json(recording.model_dump_json()) == recording


@pytest.mark.parametrize("name", [name for name in NAMES if name != "plain"])
def test_a_corpus_named_otherwise_is_refused(name, make_video, tmp_path):
    make_video(tmp_path / "holiday.mp4", seconds=1)
    with pytest.raises(InputError, match=f"no video here is named as in the layout {name}; one is 'holiday'"):
        open_corpus(tmp_path, name)


def test_an_unknown_layout_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no corpus layout 'homecan'; choose one of auto, saycam.*homecam"):
        open_corpus(tmp_path, "homecan")


@pytest.mark.parametrize("name", example_names(REGISTRY.group))
def test_a_layout_of_another_package_is_used_where_it_is_named_and_recorded(name, make_video, tmp_path):
    stem = REGISTRY.get(name).example
    assert layout_of(stem) == "plain" and is_restricted(licence_of(name))
    make_video(tmp_path / "corpus" / f"{stem}.mp4", seconds=12)
    (tmp_path / "corpus" / f"{stem}.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nlook a dog\n")
    curate(open_corpus(tmp_path / "corpus", name), tmp_path / "set", workers=1)
    made = PretrainingSet(tmp_path / "set")
    assert made.manifest.extensions == {f"corpus layout {name}": REGISTRY.extension(name).release}
    assert made.recordings[0].child == read_name(stem, name).child
