"""A part of a set by age, child, date and hours: what stays, what is counted, what is refused."""

import dataclasses

import pytest

import babyvlm
from babyvlm.curation import PretrainingSet, curate
from babyvlm.curation.chronology import chronology
from babyvlm.curation.recording_choice import RecordingChoice, choose_recordings
from babyvlm.curation.reselect import SelectionChanges, reselect
from babyvlm.curation.sets import SOURCES, SampleSources, write_conversations
from babyvlm.errors import ConfigError
from babyvlm.folders import Manifest, read_manifest
from babyvlm.images import ImageStoreWriter
from babyvlm.records import Conversation, Recording, Turn, write_jsonl


def recording(name, *, child="S", age=None, date=None, hours=1.0, split="train"):
    return Recording(
        id=name, child=child, age_months=age, date=date, media=f"{name}.mp4", duration_s=3600 * hours, split=split
    )


FOUR = [
    recording("a", age=6.0, date="2013-05-31"),
    recording("b", age=11.99, date="2013-11-30", child="A"),
    recording("c", age=12.0, date="2013-12-01", split="validation"),
    recording("d", age=13.0, date="2014-03-31"),
    recording("unknown"),
    recording("held out", age=30.0, split="test"),
]


def kept(**choice):
    found = choose_recordings(FOUR, RecordingChoice(**choice))
    return sorted(found.kept - {"held out"}), dict(found.left_out)


def test_ages_begin_with_the_first_and_end_before_the_second():
    assert kept(ages="6:12") == (["a", "b"], {"recording outside ages 6:12": 2, "recording of unknown age": 1})
    assert kept(ages="12:")[0] == ["c", "d"] and kept(ages=":13")[0] == ["a", "b", "c"]


def test_a_month_is_meant_from_its_first_to_its_last_day():
    found = {"recording of unknown date": 1, "recording before 2013-06": 1}
    assert kept(since="2013-06", until="2014-03") == (["b", "c", "d"], found)
    assert kept(since="2013-05-31", until="2013-11-30")[0] == ["a", "b"]
    assert kept(until="2013-11") == (["a", "b"], {"recording after 2013-11": 2, "recording of unknown date": 1})


def test_hours_are_the_earliest_training_recordings_and_leave_validation_alone():
    reasons = {"recording of unknown age and date": 1, "recording beyond the first 2.5 hours": 1}
    assert kept(hours=2.5) == (["a", "b", "c"], reasons)
    assert kept(hours=1)[0] == ["a", "c"] and kept(hours=3)[0] == ["a", "b", "c", "d"]


def test_a_recording_counts_once_by_its_first_reason():
    choice = RecordingChoice(children=("S",), ages=":12")
    found = choose_recordings(FOUR, choice)
    outside, unknown = "recording outside ages :12", "recording of unknown age"
    assert found.left_out == {"recording of another child": 1, outside: 2, unknown: 1}
    assert found.kept == {"a", "held out"}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"ages": "18:6"}, "--ages 18:6: the first age must be below the second"),
        ({"ages": "6"}, "not of the form FROM:TO"),
        ({"ages": ":"}, "not of the form FROM:TO"),
        ({"ages": "six:ten"}, "not of the form FROM:TO"),
        ({"ages": "nan:"}, "not of the form FROM:TO"),
        ({"since": "2014-03", "until": "2014-02"}, "nothing lies between"),
        ({"since": "spring"}, "--since spring is no date"),
        ({"until": "2014-13"}, "--until 2014-13 is no date"),
        ({"hours": 0.0}, "must be above 0"),
        ({"hours": float("nan")}, "must be above 0"),
    ],
)
def test_bad_bounds_are_refused(choice, said):
    with pytest.raises(ConfigError, match=said):
        RecordingChoice(**choice)


def test_an_unknown_child_and_an_empty_choice_are_refused():
    with pytest.raises(ConfigError, match="--children X: there is no such child here; there are A, S"):
        kept(children=("X",))
    with pytest.raises(ConfigError, match=r"no training recording is left\. Left out: .*outside ages 40:"):
        kept(ages="40:")
    with pytest.raises(ConfigError, match=r"beyond the first 0\.5 hours"):
        kept(hours=0.5)


def test_time_is_age_then_date_then_id_and_dates_alone_where_no_age_is_known():
    twins = [recording("z", age=6.0, date="2013-05-01"), recording("y", age=6.0, date="2013-05-02")]
    assert {name: each.rank for name, each in chronology([*FOUR, *twins]).items()} == {
        "z": 0, "y": 1, "a": 2, "b": 3, "c": 4, "d": 5, "held out": 6,
    }  # fmt: skip
    by_date = chronology([recording("late", date="2014-01-02"), recording("early", date="2013-12-31"), FOUR[4]])
    assert {name: (each.rank, each.month) for name, each in by_date.items()} == {
        "early": (0, 2013 * 12 + 11), "late": (1, 2014 * 12),
    }  # fmt: skip


ROWS = {"a": ("S", 6.0), "b": ("S", 9.0), "c": ("A", 14.0), "d": ("S", "")}


@pytest.fixture(scope="module")
def curated(make_video, tmp_path_factory):
    """Four recordings of 6 s, and instruction samples of one, of two, and of recordings that are not known."""
    folder = tmp_path_factory.mktemp("ages")
    cues = "".join(f"00:{1.5 * n:06.3f} --> 00:{1.5 * n + 1:06.3f}\n<v Mother>word {n}\n\n" for n in range(4))
    lines = ["recording,child,age_months,split"]
    for name, (child, age) in ROWS.items():
        make_video(folder / "corpus" / f"{name}.mp4", seconds=6)
        (folder / "corpus" / f"{name}.vtt").write_text(f"WEBVTT\n\n{cues}")
        lines.append(f"{name},{child},{age},{'validation' if name == 'b' else 'train'}")
    (folder / "corpus" / "recordings.csv").write_text("\n".join(lines) + "\n")
    curate(folder / "corpus", folder / "set", workers=1)
    shown = {"one": ("a",), "two": ("a", "b"), "across": ("a", "c"), "unknown": ()}
    instruction = folder / "set" / "instruction"
    instruction.mkdir()
    with ImageStoreWriter(instruction / "images") as store:
        picture = PretrainingSet(folder / "set").read_image(PretrainingSet(folder / "set").images.ids[0])
        for name in shown:
            store.add(name, picture)
    samples = [
        Conversation(
            id=name, format="instruction", images=(name,), turns=(Turn(prompt="<image>", answer="2"),), task="number",
            recording=sources[0] if len(sources) == 1 else "",
        )
        for name, sources in shown.items()
    ]  # fmt: skip
    write_conversations(instruction / "instruction.parquet", samples)
    several = [SampleSources(id=name, recordings=sources) for name, sources in shown.items() if len(sources) > 1]
    write_jsonl(instruction / SOURCES, several)
    Manifest(kind="instruction-set", counts={"train: number": len(samples), "images": 4}).write(instruction)
    return folder / "set"


def test_everything_of_a_part_is_of_its_recordings(curated, tmp_path):
    part = babyvlm.select(curated, tmp_path / "part", recordings=RecordingChoice(ages="6:12"))
    assert [each.id for each in part.recordings] == ["a", "b"]
    assert {each.recording for each in part.utterances()} == {"a", "b"}
    assert {each.recording for each in part.candidates()} == {"a", "b"}
    whole = PretrainingSet(curated)
    for name in ("image", "video", "interleaved"):
        expected = [each for each in whole.conversations(name) if each.recording in ("a", "b")]
        assert part.conversations(name) == expected and expected
        assert all(part.jpeg(image) for each in expected for image in each.images)
    assert [each.id for each in part.conversations("instruction")] == ["one", "two"]
    assert [part.recordings_of(each) for each in part.conversations("instruction")] == [("a",), ("a", "b")]
    counts, skipped = part.manifest.counts, part.manifest.skipped
    assert counts["recordings/train"] == counts["recordings/validation"] == 1
    assert counts["utterances/train"] == len(part.utterances("train")) == 4
    assert skipped["recording outside ages 6:12"] == skipped["recording of unknown age"] == 1
    assert skipped["instruction sample of other recordings"] == 1
    assert skipped["instruction sample of unknown recordings"] == 1
    assert part.manifest.configuration["recordings"] == {"ages": "6:12"}
    assert read_manifest(part.folder / "instruction", "instruction-set").counts["train: number"] == 2
    assert (part.folder / "card.html").is_file()


def test_a_part_that_keeps_all_is_the_set_and_thresholds_go_together_with_it(curated, tmp_path):
    everything = babyvlm.select(curated, tmp_path / "all", recordings=RecordingChoice(children=("A", "S")))
    whole = PretrainingSet(curated)
    assert everything.recordings == whole.recordings and everything.utterances() == whole.utterances()
    assert everything.manifest.counts == whole.manifest.counts
    stricter = RecordingChoice(children=("S",)), SelectionChanges(max_window=4, min_window=4)
    both = babyvlm.select(curated, tmp_path / "both", stricter[1], recordings=stricter[0])
    assert {len(each.turns) for each in both.conversations("interleaved")} == {4}
    assert {each.recording for each in both.conversations("image")} == {"a", "b", "d"}


def test_an_instruction_set_of_which_nothing_can_be_proven_is_left_out_and_noted(curated, tmp_path):
    part = babyvlm.select(curated, tmp_path / "part", recordings=RecordingChoice(ages="12:"))
    assert not part.has_instruction and any("no instruction set" in note for note in part.manifest.notes)


def test_image_files_of_which_nothing_stays_are_left_out(curated, tmp_path):
    whole = PretrainingSet(curated)
    again = tmp_path / "again"
    babyvlm.select(curated, again, SelectionChanges(seed=3))
    images = again / "images"
    for path in images.iterdir():
        path.unlink()
    with ImageStoreWriter(images, shard_bytes=1) as store:
        for image in whole.images.ids:
            store.add(image, whole.jpeg(image))
            store._flush()
    part = babyvlm.select(again, tmp_path / "part", recordings=RecordingChoice(ages=":7"))
    of_a = [image for image in whole.images.ids if image.startswith("a_")]
    assert part.images.ids == of_a and part.manifest.counts["frames"] == len(of_a)


def test_nothing_given_names_all_that_can_be(curated, tmp_path):
    with pytest.raises(ConfigError, match=r"nothing changes: give one of --ages, --children, --since, .*--min-clip"):
        reselect(curated, tmp_path / "same", SelectionChanges(), RecordingChoice())
    assert not RecordingChoice() and dataclasses.replace(RecordingChoice(), hours=1.0)
