"""The nursery: what is planned for a whole corpus, and what is written for a tiny one."""

from __future__ import annotations

import collections
import csv
import dataclasses
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("skia", reason="the nursery needs the extra 'render'")

from babyvlm.corpus.nursery import NurseryConfig, render_nursery
from babyvlm.corpus.nursery.configuration import plan_recordings
from babyvlm.corpus.nursery.episodes import Director
from babyvlm.corpus.nursery.exemplars import DRAWINGS, EXEMPLARS, exemplar
from babyvlm.corpus.nursery.groups import arrange, hull_area
from babyvlm.corpus.nursery.lexicon import CATEGORIES, FIELDS, copies
from babyvlm.corpus.nursery.scenes import DIRECTIONS, Episode, compose, visible_boxes
from babyvlm.corpus.nursery.speech import Spoken, converse
from babyvlm.corpus.nursery.staging import LARGEST_GROUP
from babyvlm.corpus.nursery.voice import SAMPLE_RATE, choose_engine, sound_track
from babyvlm.errors import ConfigError, OutputExistsError
from babyvlm.folders import read_manifest
from babyvlm.media import frames_at, probe

CONFIG = NurseryConfig()
TINY = NurseryConfig(hours=18 / 3600, recording_s=6, width=160, height=120, speech="silence")


@pytest.fixture(scope="module")
def directed() -> dict[str, list[Episode]]:
    return {plan.id: Director(CONFIG, plan).episodes() for plan in plan_recordings(CONFIG)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nursery") / "corpus"
    render_nursery(TINY, folder, workers=1)
    return folder


def _boxes(episode: Episode, frame: int) -> dict[int, tuple[float, float, float, float, float]]:
    lens_F23 = episode.camera.matrices(CONFIG.width, CONFIG.height)
    matrices = [compose(lens_F23, prop.matrices()) for prop in episode.props]
    boxes = visible_boxes(episode.props, matrices, CONFIG.seed, frame, CONFIG.width, CONFIG.height)
    return {
        box.prop.track: (box.left, box.top, box.left + box.width, box.top + box.height, box.visibility) for box in boxes
    }


def test_the_lexicon_is_large_and_every_word_is_drawn() -> None:
    assert len(CATEGORIES) >= 52
    assert len(FIELDS) >= 8
    assert set(DRAWINGS) == set(CATEGORIES)


def test_drawings_differ_within_a_category_and_have_no_mirror_symmetry() -> None:
    symmetric = []
    for name in CATEGORIES:
        first, second = exemplar(0, name, 0), exemplar(0, name, 1)
        assert first.picture.toarray().tobytes() != second.picture.toarray().tobytes()
        picture = first.picture.toarray().astype(float)
        if np.abs(picture - picture[:, ::-1]).mean() < 12:
            symmetric.append(name)
    assert symmetric == []


def test_exemplars_are_disjoint_between_splits(directed: dict[str, list[Episode]]) -> None:
    shown: dict[str, set[tuple[str, int]]] = collections.defaultdict(set)
    for plan in plan_recordings(CONFIG):
        shown[plan.split] |= {(prop.category, prop.number) for episode in directed[plan.id] for prop in episode.props}
    assert {name for name, _ in shown["test"]} == set(CATEGORIES)
    assert not shown["train"] & shown["test"]
    assert not shown["train"] & shown["validation"]
    assert not shown["validation"] & shown["test"]
    assert not set(EXEMPLARS["train"]) & set(EXEMPLARS["test"])


def test_homes_of_their_own_share_no_individual_and_leave_test_recordings_as_they_are() -> None:
    config = NurseryConfig(individuals=2, children=("S", "Y"))
    shown: dict[tuple[str, str], set[int]] = collections.defaultdict(set)
    plans = plan_recordings(config)
    for plan in plans:
        for episode in Director(config, plan).episodes():
            shown[plan.split, plan.child] |= {prop.number for prop in episode.props}
    assert {plan.child for plan in plans} == {"S", "Y"}
    assert (shown["train", "S"], shown["train", "Y"]) == ({0, 1}, {4, 5})
    assert shown["test", "S"] == shown["test", "Y"] == set(EXEMPLARS["test"])


def test_under_zipf_training_recordings_deal_words_by_rank_and_test_recordings_all_alike() -> None:
    config = NurseryConfig(zipf=1.0)
    training, tested = (
        next(one for one in plan_recordings(config) if one.split == split) for split in ("train", "test")
    )
    dealt = collections.Counter(copies(config, training))
    ranks = sorted(dealt.values(), reverse=True)
    assert set(dealt) == set(CATEGORIES)
    assert ranks == [round(len(CATEGORIES) / rank) for rank in range(1, len(CATEGORIES) + 1)]
    other = collections.Counter(copies(dataclasses.replace(config, seed=1), training))
    assert other != dealt and sorted(other.values()) == sorted(dealt.values())
    assert copies(config, tested) == copies(CONFIG, training) == tuple(CATEGORIES)


def test_frequent_things_are_shown_and_said_more_often() -> None:
    config = NurseryConfig(zipf=1.0)
    dealt, shown, said = collections.Counter(), collections.Counter(), collections.Counter()
    for plan in [plan for plan in plan_recordings(config) if plan.split == "train"]:
        dealt = collections.Counter(copies(config, plan))
        episodes = Director(config, plan).episodes()
        shown.update(mention.category for episode in episodes for mention in episode.mentions)
        for utterance in converse(config, plan, episodes):
            words = f" {utterance.text} "
            said.update(name for name, one in CATEGORIES.items() if f" {name} " in words or f" {one.plural} " in words)
    ranked = [name for name, _ in dealt.most_common()]
    tenths = [ranked[place : place + 6] for place in (0, 26, 52)]
    for counts in (shown, said):
        often, sometimes, seldom = (sum(counts[name] for name in names) for names in tenths)
        assert often > 3 * sometimes > 3 * seldom


def test_every_split_has_every_number_and_way_out(directed: dict[str, list[Episode]]) -> None:
    for split in ("train", "validation", "test"):
        episodes = [e for plan in plan_recordings(CONFIG) if plan.split == split for e in directed[plan.id]]
        numbers = collections.Counter(m.number for e in episodes for m in e.mentions if m.kind == "group")
        ways = collections.Counter(d.direction for e in episodes for d in e.departures)
        assert set(numbers) == set(range(1, LARGEST_GROUP + 1)), split
        assert set(ways) == set(DIRECTIONS), split
        assert max(ways.values()) <= 1.6 * min(ways.values()) + 2, ways


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_enough_leaves_to_be_asked_about(seed: int) -> None:
    config = NurseryConfig(seed=seed)
    plans = [plan for plan in plan_recordings(config) if plan.split == "test"]
    ways = collections.Counter(
        departure.direction
        for plan in plans
        for episode in Director(config, plan).episodes()
        for departure in episode.departures
    )
    assert ways.total() >= 110
    assert min(ways[way] for way in DIRECTIONS) >= 9


def test_departures_can_be_read_from_the_track(directed: dict[str, list[Episode]]) -> None:
    ways = collections.Counter()
    for episode in [e for episodes in list(directed.values())[:12] for e in episodes if e.departures]:
        frames = range(0, episode.num_frames, CONFIG.fps // CONFIG.annotation_fps)
        last = {}
        for frame in frames:
            last |= _boxes(episode, frame)
        for departure in episode.departures:
            for track in departure.tracks:
                left, top, right, bottom, _ = last[track]
                touched = (int(right >= CONFIG.width) - int(left <= 0), int(bottom >= CONFIG.height) - int(top <= 0))
                ways[touched == DIRECTIONS[departure.direction]] += 1
    assert ways[True] > 100
    assert ways[False] <= 0.02 * ways.total()


@pytest.mark.slow
def test_nothing_but_counting_tells_the_number(directed: dict[str, list[Episode]]) -> None:
    groups: dict[str, list[float]] = collections.defaultdict(list)
    countable, longer_sides, lasting_s = [], [], []
    for episodes in directed.values():
        for episode in episodes:
            for mention in episode.mentions:
                if mention.kind != "group":
                    continue
                frame = round((mention.start_s + mention.end_s) / 2 * CONFIG.fps) - episode.start_frame
                members = [p for p in episode.props if p.category == mention.category and p.size_F[frame] > 0]
                assert len(members) == mention.number
                boxes = _boxes(episode, frame)
                countable.append(all(p.track in boxes and boxes[p.track][4] > 0.8 for p in members))
                lasting_s.append(mention.end_s - mention.start_s)
                sides_P2 = np.array([(x1 - x0, y1 - y0) for x0, y0, x1, y1, _ in (boxes[p.track] for p in members)])
                corners = [((x0, y0), (x1, y0), (x0, y1), (x1, y1)) for x0, y0, x1, y1, _ in boxes.values()]
                longer_sides += sides_P2.max(axis=1).tolist()
                groups["number"].append(mention.number)
                groups["size"].append(sides_P2.max(axis=1).mean())
                groups["total area"].append(sides_P2.prod(axis=1).sum())
                groups["outline"].append(hull_area(np.array(corners).reshape(-1, 2)))
    tells = {name: abs(np.corrcoef(groups["number"], values)[0, 1]) for name, values in groups.items()}
    assert tells["size"] < 0.45, tells
    assert tells["total area"] < 0.45, tells
    assert tells["outline"] < 0.6, tells
    assert np.mean(countable) > 0.97
    assert min(longer_sides) > 18
    assert np.mean(lasting_s) < 2.5


@pytest.mark.parametrize("number", range(1, LARGEST_GROUP + 1))
@pytest.mark.parametrize("lot", [0.0, 0.499, 0.5, 0.999])
def test_a_group_of_any_size_lies_in_the_frame_and_apart(number: int, lot: float) -> None:
    stays = arrange(random.Random(f"{number}/{lot}"), number, 3, lot, CONFIG.aspect)
    assert number <= len(stays) <= number + 3
    for k, stay in enumerate(stays):
        assert stay.size / 2 <= stay.x <= CONFIG.aspect - stay.size / 2
        assert stay.size / 2 <= stay.y <= 1 - stay.size / 2
        for other in stays[:k]:
            assert max(abs(stay.x - other.x), abs(stay.y - other.y)) >= (stay.size + other.size) / 2 - 1e-9


def test_about_half_of_what_is_said_names_nothing_in_view(directed: dict[str, list[Episode]]) -> None:
    named, words = [], {word: c.name for c in CATEGORIES.values() for word in (c.name, c.plural)}
    any_word = rf"\b(?:{'|'.join(sorted(words, key=len, reverse=True))})\b"
    lengths: dict[bool, list[int]] = {True: [], False: []}
    for plan in plan_recordings(CONFIG):
        for spoken in converse(CONFIG, plan, directed[plan.id]):
            said = {words[word] for word in re.findall(any_word, spoken.text)}
            frame = round((spoken.start_s + 0.7) * CONFIG.fps)
            episode = next(
                (e for e in directed[plan.id] if e.start_frame <= frame < e.start_frame + e.num_frames),
                directed[plan.id][-1],
            )
            at = min(frame - episode.start_frame, episode.num_frames - 1)
            named.append(bool(said & {p.category for p in episode.props if p.size_F[at] > 0}))
            lengths[plan.age_months > 21].append(len(spoken.text.split()))
    assert 0.4 < np.mean(named) < 0.6
    assert np.mean(lengths[True]) > 1.5 * np.mean(lengths[False])


def test_what_is_held_up_is_named_again_while_it_is_shown(directed: dict[str, list[Episode]]) -> None:
    repeated, num_utterances = [], 0
    for plan in plan_recordings(CONFIG):
        spoken = converse(CONFIG, plan, directed[plan.id])
        num_utterances += len(spoken)
        assert all(one.end_s < other.start_s for one, other in itertools.pairwise(spoken))
        for show in (m for e in directed[plan.id] for m in e.mentions if m.kind == "name"):
            naming = [s for s in spoken if show.start_s - 0.01 <= s.start_s <= show.end_s and show.category in s.text]
            repeated.append(len(naming) >= 2)
    assert np.mean(repeated) > 0.6
    assert num_utterances / (CONFIG.hours * 60) == pytest.approx(CONFIG.utterances_per_minute, rel=0.05)


def test_same_seed_same_bytes_for_any_number_of_workers(corpus: Path, tmp_path: Path) -> None:
    render_nursery(TINY, tmp_path / "again", workers=2)

    def digests(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert len(digests(corpus)) == 2 + 3 * 3
    assert digests(corpus) == digests(tmp_path / "again")


def test_speech_sounds_where_the_transcript_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the synthesiser, which says everything as a steady second of sound."""
    script = tmp_path / "espeak-ng"
    script.write_text(
        f"#!{sys.executable}\nimport sys, wave\nfile = wave.open(sys.argv[sys.argv.index('-w') + 1], 'wb')\n"
        "file.setnchannels(1), file.setsampwidth(2), file.setframerate(22050)\n"
        "file.writeframes(b'\\x00\\x20' * 22050)\nfile.close()\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    spoken = [Spoken(start_s=1.0, end_s=1.5, speaker="Mother", text="look")]
    samples = sound_track(spoken, 3.0, choose_engine(NurseryConfig(speech="espeak-ng"))) != 0
    heard = np.flatnonzero(samples) / SAMPLE_RATE
    assert heard[0] == pytest.approx(1.0, abs=0.01)
    assert heard[-1] == pytest.approx(1.5, abs=0.01)
    assert len(samples) == 3 * SAMPLE_RATE


@pytest.mark.parametrize("engine", ["flite", "espeak-ng"])
def test_real_voices_are_heard_in_the_movie_when_the_transcript_says(engine: str, tmp_path: Path) -> None:
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed (apt-get install {engine})")
    config = dataclasses.replace(TINY, hours=12 / 3600, recording_s=12, speech=engine)
    render_nursery(config, tmp_path / "corpus", workers=1)
    media = next((tmp_path / "corpus").rglob("*.mp4"))
    with av.open(str(media)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    cues = re.findall(r"00:00:([\d.]+) --> 00:00:([\d.]+)", media.with_suffix(".vtt").read_text(encoding="utf-8"))
    time_s = np.arange(len(sound)) / SAMPLE_RATE
    quiet = np.ones(len(sound), dtype=bool)
    for start_s, end_s in cues:
        quiet &= (time_s < float(start_s) - 0.1) | (time_s > float(end_s) + 0.1)
        begins = (time_s > float(start_s) - 0.02) & (time_s < float(start_s) + 0.3)
        assert np.abs(sound[begins]).max() > 0.02
    assert len(cues) >= 2
    assert np.abs(sound[quiet]).max() < 0.01


def test_files_of_a_recording_agree(corpus: Path) -> None:
    assert read_manifest(corpus, "corpus").counts["recordings"] == 3
    rows = list(csv.DictReader((corpus / "recordings.csv").open(encoding="utf-8")))
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    for row in rows:
        name = row["recording"]
        months, days = int(name.split("_")[2][:2]), int(name.split("_")[2][2:])
        assert float(row["age_months"]) == pytest.approx(months + days / 30.4, abs=0.02)
        stem = corpus / row["child"] / name
        info = probe(stem.with_suffix(".mp4"))
        assert (info.width, info.height, info.fps, info.has_audio) == (160, 120, 10, True)
        assert info.duration_s == pytest.approx(6, abs=0.15)
        times = [k / 10 for k in range(60)]
        assert len(list(frames_at(stem.with_suffix(".mp4"), times))) == 60
        _check_transcript(stem.with_suffix(".vtt"))
        _check_boxes(stem.with_suffix(".boxes.json"), f"{name}.mp4")


def _check_transcript(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    cues = re.findall(r"00:00:(\d\d\.\d{3}) --> 00:00:(\d\d\.\d{3})\n<v \w+>([a-z' ]+)\n", text)
    assert text.startswith("WEBVTT\n\n")
    assert cues
    assert text.count("-->") == len(cues)
    bounds = [float(bound) for start, end, _ in cues for bound in (start, end)]
    assert bounds == sorted(bounds)
    assert bounds[-1] <= 6


def _check_boxes(path: Path, media: str) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert [image["time_s"] for image in content["images"]] == [k / 5 for k in range(30)]
    assert {image["file_name"] for image in content["images"]} == {media}
    category_of: dict[int, int] = {}
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        assert x >= 0 and y >= 0 and x + width <= 160 + 1e-6 and y + height <= 120 + 1e-6
        assert width > 0 and height > 0
        assert 0.25 <= annotation["visibility"] <= 1
        assert category_of.setdefault(annotation["track_id"], annotation["category_id"]) == annotation["category_id"]
    assert category_of


def test_a_box_holds_the_pixels_of_its_object(corpus: Path) -> None:
    """Where a box says something large and unhidden is, the picture differs from its surroundings."""
    path = next(corpus.rglob("*.boxes.json"))
    content = json.loads(path.read_text(encoding="utf-8"))
    largest = max(content["annotations"], key=lambda annotation: annotation["area"] * annotation["visibility"])
    time_s = content["images"][largest["image_id"] - 1]["time_s"]
    media = path.with_name(path.name.replace(".boxes.json", ".mp4"))
    picture = np.asarray(next(frames_at(media, [time_s]))[1]).astype(float)
    x, y, width, height = (round(part) for part in largest["bbox"])
    inside = picture[y : y + height, x : x + width].std(axis=(0, 1)).mean()
    assert inside > 20


def test_settings_need_no_skia_and_rendering_says_how_to_get_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['skia'] = None\n"
        "from pathlib import Path\nfrom babyvlm.corpus.nursery import NurseryConfig, render_nursery\n"
        "from babyvlm.errors import MissingExtraError\n"
        "try:\n    render_nursery(NurseryConfig(), Path(sys.argv[1]))\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "corpus")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "-m pip install " in said and "[render]" in said
    assert not (tmp_path / "corpus").exists()


def test_bad_configurations_and_full_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="annotation_fps is 3, it must divide fps"):
        NurseryConfig(annotation_fps=3)
    with pytest.raises(ConfigError, match="add up to"):
        NurseryConfig(test_fraction=0.5)
    with pytest.raises(ConfigError, match="individuals is 21, it must be from 0 to 20"):
        NurseryConfig(individuals=21)
    with pytest.raises(ConfigError, match="zipf is -1, it must be from 0 to 2"):
        NurseryConfig(zipf=-1)
    for children in ((), ("S", "S")):
        with pytest.raises(ConfigError, match="it must name each child once"):
            NurseryConfig(children=children)
    (tmp_path / "theirs.txt").write_text("keep me")
    with pytest.raises(OutputExistsError, match=r"theirs\.txt"):
        render_nursery(TINY, tmp_path, workers=1)
    assert (tmp_path / "theirs.txt").read_text() == "keep me"
