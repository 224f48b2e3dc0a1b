from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babyvlm.corpus import parse_webvtt, read_transcript
from babyvlm.errors import TranscriptError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "talk.vtt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


EVERYTHING = """\ufeffWEBVTT - made by hand
Kind: captions

STYLE
::cue { color: red }

REGION
id:fred
width:40%

NOTE one line

NOTE
many
lines

first cue
00:01.000 --> 00:02.500 align:start position:10%
<v.loud Mother &amp; Gran>Look <i>at</i> the
<c.yellow>doggy</c>!</v>

12
01:00:03.040-->01:00:04.000
<v Mother>who is it?</v> <v Child>ba
01:00:05.000 --> 01:00:06.000
<00:00:05.500>1 &lt; 2 &amp; I <3 you

100:00:00.000 --> 100:00:01.000


"""


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_all_of_the_cue_syntax_is_read(tmp_path: Path, newline: str) -> None:
    cues = parse_webvtt(written(tmp_path, EVERYTHING.replace("\n", newline)))
    assert [(cue.start_s, cue.end_s, cue.speaker, cue.text) for cue in cues] == [
        (1.0, 2.5, "Mother & Gran", "Look at the doggy!"),
        (3603.04, 3604.0, "Mother", "who is it?"),
        (3603.04, 3604.0, "Child", "ba"),
        (3605.0, 3606.0, "", "1 < 2 & I <3 you"),
        (360000.0, 360001.0, "", ""),
    ]
    assert [cue.place for cue in cues] == [f"line {n}" for n in (18, 23, 23, 25, 28)]


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="<>&-\ufdd0"), min_size=1)


@given(
    st.lists(st.tuples(st.integers(0, 10**8), st.integers(1, 10**5), WORDS, st.lists(WORDS, min_size=1)), max_size=5)
)
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, spoken) -> None:
    def stamp(ms: int) -> str:
        return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"

    cues = [(start, start + length, who, " ".join(words)) for start, length, who, words in spoken]
    text = "WEBVTT\n\n" + "".join(f"{stamp(a)} --> {stamp(b)}\n<v {who}>{said}</v>\n\n" for a, b, who, said in cues)
    found = parse_webvtt(written(tmp_path_factory.mktemp("vtt"), text))
    assert [(cue.start_s, cue.end_s, cue.speaker, cue.text) for cue in found] == [
        (start / 1000, end / 1000, who, said) for start, end, who, said in cues
    ]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "expected WEBVTT"),
        ("1\n00:00:01,000 --> 00:00:02,000\nan srt\n", 1, "expected WEBVTT"),
        ("WEBVTTX\n", 1, "expected WEBVTT"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nfine\n\n00:03,000 --> 00:04,000\ncommas\n", 6, "00:03,000"),
        ("WEBVTT\n\n00:61.000 --> 01:02.000\nx\n", 3, "00:61"),
        ("WEBVTT\n\n00:01.000 --> \nx\n", 3, "expected times"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\none\n\nlost speech\n", 6, "belongs to no cue"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nfa\xe7ade\n", 3, "not UTF-8"),
    ],
)
def test_what_does_not_parse_is_told_with_its_line(tmp_path: Path, text: str | bytes, line: int, says: str) -> None:
    with pytest.raises(TranscriptError, match=rf"talk\.vtt, line {line}: .*{says}"):
        parse_webvtt(written(tmp_path, text))


def test_utterances_must_lie_within_their_recording(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "WEBVTT\n\n00:08.000 --> 00:10.900\nclipped\n\n00:02.000 --> 00:03.000\nearlier\n\n"
        "00:09.000 --> 00:11.500\npast\n\n00:10.200 --> 00:10.400\nwholly past\n\n"
        "00:05.000 --> 00:05.000\nno time\n\n00:06.000 --> 00:07.000\n\n",
    )
    transcript = read_transcript(path, recording="r", duration_s=10.0)
    assert [(said.text, said.start_s, said.end_s) for said in transcript.utterances] == [
        ("earlier", 2.0, 3.0),
        ("clipped", 8.0, 10.0),
    ]
    assert (transcript.clipped, transcript.empty) == (1, 1)
    past, wholly_past, no_time = map(str, transcript.problems)
    assert "line 9" in past and "9.000 s to 11.500 s" in past and "10.000 s" in past
    assert "line 12" in wholly_past
    assert "line 15" in no_time and "not after its start" in no_time


def test_a_missing_transcript_is_named(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"absent\.vtt: the transcript is missing"):
        parse_webvtt(tmp_path / "absent.vtt")
