from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from babyvlm.curation import CurationConfig
from babyvlm.curation.candidates import Candidate, CandidateFrame
from babyvlm.curation.clips import Clip, cut_clips
from babyvlm.curation.formats import KeptClip, KeptFrame, even_indices, interleaved_conversations, video_conversations
from babyvlm.curation.frames import difference_hash, differing_bits, sample_frames, sharpness
from babyvlm.curation.selection import select
from babyvlm.curation.sets import UTTERANCE_SCHEMA, RowWriter
from babyvlm.curation.utterances import clean_text, select_utterances
from babyvlm.errors import ConfigError, MediaError
from babyvlm.media import Damage, scaled_size
from babyvlm.records import Recording, Utterance

RECORDING = Recording(id="S_20140320_1703_04", child="S", media="v.mp4", duration_s=60)


def said(start_s: float, end_s: float, text: str = "look", speaker: str = "Mother") -> Utterance:
    return Utterance(recording=RECORDING.id, start_s=start_s, end_s=end_s, speaker=speaker, text=text)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  look   at\tthe ﬁsh ", "look at the fish"),
        ("[door slams] oh no (laughs (loudly)) !", "oh no!"),
        ("zero\u200bwidth <image> here", "zerowidth here"),
        ("［points］ unclosed [note", "unclosed [note"),
        ("[music]", ""),
        ("gimme [: give me] xxx five &=laughs", "give me five"),
        ("♪ la la ♪ <i>hey</i> *coughs*", "la la hey"),
        (">> 0 dogs", "0 dogs"),
        (">> look >> where?", "look where?"),
        ("<|0.00|> look<|2.00|>", "look"),
        ("0.", ""),
    ],
)
def test_texts_are_cleaned(text: str, clean: str) -> None:
    assert clean_text(text) == clean == clean_text(clean)
    assert clean_text("Guck, EIN Hund", lower_case=True) == "guck, ein hund"


def test_caregivers_are_learned_from_and_others_counted() -> None:
    speakers = ["Mother", "CHI", "s", "", "Sibling", "FA2", "UC1", "EE1", "SPEAKER_01", "Anna", "Grandmother", "sam"]
    utterances = [said(n, n + 1, speaker=who) for n, who in enumerate(speakers)]
    utterances.append(said(19, 20, "[laughs] ..."))
    selection = select_utterances(utterances, "S", CurationConfig(child_speakers=("Sam",)))
    kept = ["Mother", "", "FA2", "SPEAKER_01", "Anna", "Grandmother"]
    assert [utterance.speaker for utterance in selection.utterances] == kept
    assert selection.skipped == Counter(
        {
            "utterance of the child": 3,
            "utterance of speaker kind: other child": 2,
            "utterance of speaker kind: device": 1,
            "utterance without words": 1,
        }
    )
    assert selection.cleaned == Counter({"bracketed notes": 1})
    heard = select_utterances(utterances, "S", CurationConfig(speakers=("own", "other child"))).utterances
    assert [utterance.speaker for utterance in heard] == ["CHI", "s", "Sibling", "UC1"]


def test_other_languages_are_left_out_where_they_are_declared() -> None:
    utterances = [said(n, n + 1).model_copy(update={"language": lang}) for n, lang in enumerate(["en", "es", ""])]
    selection = select_utterances(utterances, "S", CurationConfig(languages=("en",)))
    assert [utterance.language for utterance in selection.utterances] == ["en", ""]
    assert selection.skipped == Counter({"utterance in another language: es": 1})


def test_near_duplicates_are_left_out_of_their_clip_alone() -> None:
    looks = ["0000000000000000", "0000000000000001", "00000000000000ff", "0000000000000000"]
    frames = tuple(
        CandidateFrame(image=f"i{n}", number=n + 1, sharpness=1.0, looks=look) for n, look in enumerate(looks)
    )
    clips = [
        Candidate(recording="r", start_ms=start, end_ms=start + 4000, text="x", frames=frames) for start in (0, 4000)
    ]
    kept, skipped, found = select(clips, CurationConfig(duplicate_bits=2))
    assert [[frame.image for frame in clip.frames] for clip in kept] == [["i0", "i2"]] * 2
    assert skipped == Counter({"frame much like an earlier one of its clip": 4})
    assert found == Counter({"frames much like an earlier one of their clip": 4})
    kept, skipped, _ = select(clips, CurationConfig())
    assert [len(clip.frames) for clip in kept] == [4, 4] and not +skipped
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 9, 3), dtype=np.uint8)).resize((90, 80), 0)
    other = noise.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    darker = noise.point(lambda level: level * 0.8)
    assert differing_bits(difference_hash(noise), difference_hash(darker)) <= 2
    assert differing_bits(difference_hash(noise), difference_hash(other)) > 20


def test_clips_are_extended_shifted_capped_and_shared() -> None:
    utterances = [
        said(0.0, 0.4, "at the start"),
        said(10.0, 10.5, "short"),
        said(20.0, 25.25, "as it is"),
        said(30.0, 59.0, "long"),
        said(59.2, 59.4, "first"),
        said(59.7, 59.9, "second"),
        said(40, 41, "one two three four"),
    ]
    clips, skipped = cut_clips(utterances, 60.0, CurationConfig(max_words=3))
    assert [(clip.start_ms, clip.end_ms, clip.text) for clip in clips] == [
        (0, 2000, "at the start"),
        (9250, 11250, "short"),
        (20000, 25250, "as it is"),
        (30000, 45000, "long"),
        (58000, 60000, "first second"),
    ]
    assert skipped == Counter({"clip of too many words": 1})


@given(st.floats(0, 20), st.floats(0.01, 30), st.floats(0.2, 25), st.floats(0.3, 3))
def test_every_clip_lies_in_its_recording_and_has_frames(
    start_s: float, length_s: float, duration_s: float, fps: float
) -> None:
    if start_s + 0.002 >= duration_s:
        return
    config = CurationConfig()
    (clip,), _ = cut_clips([said(start_s, min(start_s + length_s, duration_s))], duration_s, config)
    assert 0 <= clip.start_ms < clip.end_ms <= duration_s * 1000
    assert clip.end_ms - clip.start_ms >= min(2000, int(duration_s * 1000)) and clip.end_ms - clip.start_ms <= 15000
    times_s = clip.frame_times_s(fps)
    assert times_s == sorted(times_s) and len(times_s) == max(1, int((clip.end_ms - clip.start_ms) / 1000 * fps + 1e-6))
    assert all(clip.start_ms / 1000 < time_s < clip.end_ms / 1000 + 1e-6 for time_s in times_s)


def test_overlapping_clips_each_get_their_frames_in_one_pass(make_video, tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mp4", seconds=8, size=(320, 240))
    bounds = [(0, 6000), (1000, 3000), (1500, 3500), (6000, 8000)]
    clips = [Clip(start_ms=start, end_ms=end, text="x") for start, end in bounds]
    sampled = list(sample_frames(video, clips, duration_s=8, fps=1, frame_size=60))
    found = {clip: [round((np.asarray(image).mean() - 30) / 20) for image in images] for clip, images in sampled}
    assert found == dict(zip(clips, [[0, 1, 2, 3, 4, 5], [1, 2], [2, 3], [6, 7]], strict=True))
    assert [clip.end_ms for clip, _ in sampled] == [3000, 3500, 6000, 8000]  # none waits for the end of the video
    assert {image.size for _, images in sampled for image in images} == {(80, 60)}


def test_a_video_cut_short_is_told(make_video, tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mp4", seconds=3)
    clips = [Clip(start_ms=0, end_ms=2000, text="x"), Clip(start_ms=7000, end_ms=9000, text="y")]
    with pytest.raises(MediaError, match=r"v\.mp4: the picture ends at 3\.0 s, .* lasts 7\.0 s longer"):
        list(sample_frames(video, clips, duration_s=10, fps=1, frame_size=60))
    damage = Damage()
    sampled = list(sample_frames(video, clips, duration_s=10, fps=1, frame_size=60, damage=damage))
    assert [len(images) for _, images in sampled] == [2, 0]
    assert (damage.ends_s, damage.missing_end_s, damage.lost_moments) == (3.0, 7.0, 2)
    last = [Clip(start_ms=2000, end_ms=3900, text="sound alone")]  # within the last second: told by the missing frames
    assert [len(images) for _, images in sample_frames(video, last, duration_s=3.9, fps=2, frame_size=60)] == [2]


def test_frames_are_scaled_never_enlarged_and_scored_by_sharpness() -> None:
    assert scaled_size(1080, 1920, 224) == (224, 398)
    assert scaled_size(640, 480, 224) == (299, 224) and scaled_size(160, 120, 224) == (160, 120)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    blurred = [sharpness(noise.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 2, 4)]
    assert blurred == sorted(blurred, reverse=True) and sharpness(Image.new("RGB", (64, 64), "red")) == 0


def kept_clips(count: int) -> list[KeptClip]:
    return [
        KeptClip(
            clip=Clip(start_ms=n * 2000, end_ms=n * 2000 + 2000, text=f"utterance {n}"),
            frames=tuple(KeptFrame(id=f"{n}_{k}", image=f"{n}_{k}", score=-abs(k - 1)) for k in range(7)),
        )
        for n in range(count)
    ]


def test_video_records_spread_their_frames_over_the_clip() -> None:
    (video,) = video_conversations(RECORDING, kept_clips(1), CurationConfig(clip_frames=3))
    assert video.images == ("0_1", "0_3", "0_5")
    assert video.turns[0].prompt == "<image><image><image>" and video.id == "S_20140320_1703_04_0_2000"
    for available in range(1, 12):
        for wanted in range(1, 12):
            chosen = even_indices(available, wanted)
            assert len(set(chosen)) == len(chosen) == min(available, wanted) and chosen == sorted(chosen)
            assert abs(chosen[0] - (available - 1 - chosen[-1])) <= 1  # as far from either end
            gaps = [later - earlier for earlier, later in pairwise(chosen)]
            assert not gaps or max(gaps) - min(gaps) <= 1


def test_interleaved_windows_hold_consecutive_clips_and_their_best_frames() -> None:
    windows = list(interleaved_conversations(RECORDING, kept_clips(200), CurationConfig(window_stride=2)))
    assert {len(window.turns) for window in windows[:-4]} == {4, 5, 6, 7, 8}
    for number, window in enumerate(windows):
        first, length = number * 2, len(window.turns)
        assert window.images == tuple(f"{n}_1" for n in range(first, first + length))
        assert [turn.answer for turn in window.turns] == [f"utterance {n}" for n in range(first, first + length)]
        assert all(turn.prompt == "<image>" for turn in window.turns)
        assert (window.start_s, window.end_s) == (first * 2.0, (first + length) * 2.0)
    assert len(windows) == (200 - 4) // 2 + 1 and len({window.id for window in windows}) == len(windows)
    assert windows == list(interleaved_conversations(RECORDING, kept_clips(200), CurationConfig(window_stride=2)))
    other = interleaved_conversations(RECORDING, kept_clips(200), CurationConfig(window_stride=2, seed=1))
    assert [len(window.turns) for window in other] != [len(window.turns) for window in windows]
    assert list(interleaved_conversations(RECORDING, kept_clips(3), CurationConfig())) == []


@pytest.mark.parametrize(
    "settings",
    [{"fps": 0}, {"min_clip_s": 20}, {"min_window": 9}, {"max_skipped_fraction": 2}, {"on_problem": "ignore"}],
)
def test_contradictory_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        CurationConfig(**settings)


def test_rows_come_in_groups_of_a_fixed_size_however_many_there_are(tmp_path: Path) -> None:
    rows = [
        {**said(number, number + 1, f"word {number}").model_dump(), "split": "train"}
        for number in range(2 * 2048 + 300)
    ]
    with RowWriter(tmp_path / "rows.parquet", UTTERANCE_SCHEMA) as writer:
        for row in rows:
            writer.add(row)
    file = pq.ParquetFile(tmp_path / "rows.parquet")
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [2048, 2048, 300]
    assert file.read().to_pylist() == rows
