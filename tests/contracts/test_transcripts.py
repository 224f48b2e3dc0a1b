"""What every transcript format holds: timed utterances with their places, and our errors for whatever else there is."""

import shutil

import pytest

from babyvlm.corpus import open_corpus
from babyvlm.corpus.transcripts import is_transcript, name_tag, parse_transcript, read_transcript, transcript_suffixes
from babyvlm.corpus.transcripts.kinds import REGISTRY
from babyvlm.curation import PretrainingSet, curate
from babyvlm.errors import TranscriptError
from babyvlm.records import Utterance
from tests.extensions import example_names, names_of

NAMES = names_of(REGISTRY)


@pytest.fixture
def sample(name, tmp_path):
    """The format's own example as a file."""
    path = tmp_path / f"visit.{name}"
    path.write_text(REGISTRY.get(name).example, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_read_into_timed_utterances(name, sample):
    read = read_transcript(sample, recording="visit", duration_s=60)
    assert read.utterances and not read.unreadable and not read.problems
    for utterance in read.utterances:
        assert utterance.recording == "visit" and 0 <= utterance.start_s < utterance.end_s <= 60 and utterance.text
        assert Utterance.model_validate_json(utterance.model_dump_json()) == utterance
    assert read == read_transcript(sample, recording="visit", duration_s=60)
    cues = parse_transcript(sample, "visit")
    assert [cue.place for cue in cues] and all(cue.place for cue in cues)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_beside_its_video_is_the_recordings_transcript(name, sample, make_video):
    make_video(sample.with_name("visit.mp4"), seconds=4)
    assert is_transcript(sample) and name_tag("visit", sample) == ""
    corpus = open_corpus(sample.parent)
    (recording,) = corpus.recordings
    assert corpus.transcript_path(recording) == sample and corpus.transcript(recording).utterances
    assert not corpus.problems


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_beyond_its_recording_is_reported_and_left_out(name, sample):
    read = read_transcript(sample, recording="visit", duration_s=0.1)
    assert not read.utterances
    assert read.problems and all(str(sample) in str(problem) and problem.place for problem in read.problems)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe" * 40, b"hello\nworld\n", b"\x89PNG\r\n" * 20, b"{" * 5000])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_such_file_costs_itself(name, content, tmp_path):
    path = tmp_path / f"visit.{name}"
    path.write_bytes(content)
    try:
        read = read_transcript(path, recording="visit", duration_s=60)
    except TranscriptError as error:
        assert str(path) in str(error)
    else:
        assert not read.utterances


@pytest.mark.parametrize("name", NAMES)
def test_half_a_file_is_an_error_of_ours_or_fewer_utterances(name, sample):
    content = sample.read_bytes()
    whole = len(read_transcript(sample, recording="visit", duration_s=60).utterances)
    for end in range(0, len(content), max(1, len(content) // 12)):
        sample.write_bytes(content[:end])
        try:
            read = read_transcript(sample, recording="visit", duration_s=60)
        except TranscriptError as error:
            assert str(sample) in str(error)
        else:
            assert len(read.utterances) <= whole


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(name, tmp_path):
    with pytest.raises(TranscriptError, match="missing"):
        read_transcript(tmp_path / f"visit.{name}", recording="visit", duration_s=60)


@pytest.mark.parametrize("name", example_names(REGISTRY.group))
def test_formats_of_other_packages_come_last_and_a_set_names_the_package(name, sample, make_video, tmp_path):
    assert transcript_suffixes()[: len(REGISTRY.builtin)] == tuple(f".{one}" for one in REGISTRY.builtin)
    folder = tmp_path / "corpus"
    make_video(folder / "visit.mp4", seconds=12)
    blocks = [REGISTRY.get(name).example]
    (folder / f"visit.{name}").write_text("\n".join(blocks))
    curate(folder, tmp_path / "set", workers=1)
    made = PretrainingSet(tmp_path / "set").manifest
    assert made.extensions == {f"transcript format {name}": REGISTRY.extension(name).release}
    shutil.rmtree(tmp_path / "set")
    (folder / "visit.vtt").write_text(REGISTRY.get("vtt").example)
    assert open_corpus(folder).transcript_path(open_corpus(folder).recordings[0]).suffix == ".vtt"
