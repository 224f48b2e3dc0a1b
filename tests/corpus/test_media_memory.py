from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import av
import pytest

import babyvlm
from babyvlm.corpus import Corpus, CorpusIndex, describe, index, open_corpus, overview
from babyvlm.corpus.media_memory import memory_path
from babyvlm.corpus.problems import Problem
from babyvlm.errors import ConfigError
from tests.media.test_damage import damaged

YEAR_2020_NS = 1_577_836_800 * 10**9


def place(video: Path, path: Path, *, at_ns: int = YEAR_2020_NS) -> Path:
    """A copy of a video that was last changed then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(video, path)
    os.utime(path, ns=(at_ns, at_ns))
    return path


def blank(path: Path) -> None:
    """Makes a file's content zeros while its size and time of change stay: who reads it finds no video."""
    found = path.stat()
    path.write_bytes(bytes(found.st_size))
    os.utime(path, ns=(found.st_mtime_ns, found.st_mtime_ns))


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the media files that this process opens, as often as it does."""
    opened: list[str] = []
    real = av.open

    def note(file: str, *args: object, **kwargs: object) -> object:
        opened.append(Path(file).name)
        return real(file, *args, **kwargs)

    monkeypatch.setattr(av, "open", note)
    return opened


@pytest.fixture
def corpus(make_video, tmp_path: Path) -> Path:
    """Three recordings, one of them damaged, and one that does not open."""
    video = make_video(tmp_path / "videos" / "v.mp4", seconds=3)
    bad = damaged(video, [15], out=tmp_path / "videos" / "bad.mp4")
    for name, source in (("a.mp4", video), ("S/b.mp4", video), ("c.mp4", bad)):
        place(source, tmp_path / "corpus" / name)
    (tmp_path / "corpus" / "broken.mp4").write_bytes(b"no video")
    return tmp_path / "corpus"


def told(problems: tuple[Problem, ...]) -> list[tuple[str, str, bool]]:
    return [(problem.reason, problem.message, problem.used) for problem in problems]


def everything(corpus: Corpus, found: CorpusIndex) -> tuple[object, ...]:
    """All that an index says of a corpus, what it says of the last time aside."""
    return corpus.recordings, found.rows, found.media, told(found.problems), describe(corpus, found)


@pytest.mark.case("same result")
@pytest.mark.parametrize("decode", [False, True])
def test_unchanged_videos_are_not_read_again(corpus: Path, opens: list[str], decode: bool) -> None:
    first = open_corpus(corpus)
    before = everything(first, babyvlm.index_corpus(first, decode=decode))
    assert {"a.mp4", "b.mp4", "c.mp4"} <= set(opens)
    for name in ("a.mp4", "S/b.mp4", "c.mp4"):
        blank(corpus / name)
    opens.clear()
    again = open_corpus(corpus)
    found = babyvlm.index_corpus(again, decode=decode)
    assert set(opens) == {"broken.mp4"}  # it may read another time: it is tried, and named, at every start
    assert everything(again, found) == before
    assert str(found.news) == "3 unchanged since they were last read"
    assert any("broken.mp4" in problem.message for problem in again.problems)


@pytest.mark.case("same result")
def test_what_changed_is_read_again_and_named(corpus: Path, make_video, tmp_path: Path, opens: list[str]) -> None:
    babyvlm.index_corpus(corpus)
    longer = make_video(tmp_path / "videos" / "longer.mp4", seconds=5)
    place(longer, corpus / "a.mp4")  # another size, the same time
    os.utime(corpus / "S" / "b.mp4", ns=(YEAR_2020_NS + 1, YEAR_2020_NS + 1))  # the same size, another time
    place(longer, corpus / "d.mp4")
    (corpus / "c.mp4").unlink()
    opens.clear()
    opened = open_corpus(corpus)
    found = babyvlm.index_corpus(opened)
    assert {"a.mp4", "b.mp4", "d.mp4"} <= set(opens)
    assert str(found.news) == (
        "0 unchanged since they were last read, 2 changed (a.mp4, S/b.mp4), 1 new, 1 gone or unreadable"
    )
    assert {each.id: round(each.duration_s) for each in opened.recordings} == {"a": 5, "b": 3, "d": 5}
    fresh = open_corpus(corpus)
    assert everything(fresh, index(fresh)) == everything(opened, found)


@pytest.mark.case("same result")
def test_the_result_does_not_depend_on_the_number_of_workers(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overview, "_VIDEOS_A_WORKER", 1)
    one, two = open_corpus(corpus), open_corpus(corpus)
    assert everything(one, index(one, decode=True, workers=1)) == everything(two, index(two, decode=True, workers=3))
    with pytest.raises(ConfigError, match="workers"):
        babyvlm.index_corpus(corpus, workers=-1)


def test_an_interrupted_index_resumes(corpus: Path, opens: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = open_corpus(corpus)
    expected = everything(whole, index(whole))
    real = overview.read_video

    def die_at_the_last(job: overview.MediaJob) -> object:
        if job.path.name == "c.mp4":
            raise KeyboardInterrupt
        return real(job)

    monkeypatch.setattr(overview, "read_video", die_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        babyvlm.index_corpus(corpus, workers=1)
    monkeypatch.undo()
    with memory_path(corpus).open("ab") as file:
        file.write(b'{"file": "c.mp4", "si')  # as a power cut would leave it
    blank(corpus / "a.mp4")
    blank(corpus / "S" / "b.mp4")
    again = open_corpus(corpus)
    assert everything(again, babyvlm.index_corpus(again)) == expected
    assert len(memory_path(corpus).read_text().splitlines()) == 1 + 3 + 1  # c.mp4's header was known, its end came now


def test_a_file_that_changed_just_now_is_not_remembered(corpus: Path, opens: list[str]) -> None:
    os.utime(corpus / "a.mp4")
    babyvlm.index_corpus(corpus)
    opens.clear()
    assert len(open_corpus(corpus).recordings) == 3
    assert sorted(opens) == ["a.mp4", "broken.mp4"]


@pytest.mark.parametrize(
    "content",
    ["", "null\n", "{}\n", "\x00" * 100, '{"babyvlm_index": 0}\n{"file": "a.mp4"}\n'],
)
def test_a_memory_that_does_not_read_is_none(corpus: Path, content: str) -> None:
    babyvlm.index_corpus(corpus)
    first = json.loads(memory_path(corpus).read_text().splitlines()[0])
    assert first["corpus"] == str(corpus.resolve())
    memory_path(corpus).write_text(content)
    assert not open_corpus(corpus).media.remembered and len(open_corpus(corpus).recordings) == 3


@pytest.mark.parametrize("field", ["size", "info", "timeline", "damage"])
def test_a_line_that_does_not_read_is_passed_by(corpus: Path, field: str) -> None:
    babyvlm.index_corpus(corpus)
    head, *lines = memory_path(corpus).read_text().splitlines()
    damaged_line = json.loads(lines[-1]) | {field: [1]}
    memory_path(corpus).write_text("\n".join([head, *lines[:-1], json.dumps(damaged_line)]))
    opened = open_corpus(corpus)
    assert len(opened.recordings) == 3 and opened.recordings[-1].duration_s == pytest.approx(3, abs=0.1)


@pytest.mark.case("one datum")
def test_an_index_works_where_nothing_can_be_kept(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = babyvlm.index_corpus(corpus)
    assert found.rows and found.not_remembered is not None
    assert "not remembered" in capsys.readouterr().err


def test_nothing_is_written_into_the_corpus(corpus: Path) -> None:
    before = sorted(corpus.rglob("*"))
    babyvlm.index_corpus(corpus)
    assert sorted(corpus.rglob("*")) == before
