"""What other programs write, each by the definition of its format: one row here for each row of docs/formats.md."""
# ruff: noqa: E501 (rows of a format stand as programs write them)

from __future__ import annotations

import json
from pathlib import Path

import pytest

from babyvlm.corpus import read_transcript
from babyvlm.corpus.transcripts import is_transcript
from babyvlm.errors import TranscriptError

DURATION_S = 100.0


def whisper(**changes: object) -> dict:
    segments = [
        {"id": 0, "seek": 0, "start": 0.0, "end": 2.5, "text": " look at the ball", "no_speech_prob": 0.1},
        {"id": 1, "seek": 0, "start": 3.0, "end": 4.0, "text": " there"},
    ]
    return {"text": " look at the ball there", "segments": segments, "language": "en", **changes}


WHISPER = [(0.0, 2.5, "", "look at the ball"), (3.0, 4.0, "", "there")]
LONG_TEXT = "word " * 20_000  # more than any prefix that a reader may look at
CPP = {
    "systeminfo": "AVX = 1", "model": {"type": "base"}, "params": {"language": "en"}, "result": {"language": "en"},
    "transcription": [
        {"timestamps": {"from": "00:00:00,000", "to": "00:00:02,500"}, "offsets": {"from": 0, "to": 2500}, "text": " look"},
        {"timestamps": {"from": "00:00:03,000", "to": "00:00:04,000"}, "offsets": {"from": 3000, "to": 4000},
         "text": " [BLANK_AUDIO]"},
    ],
}  # fmt: skip
HUB = {
    "text": " look there",
    "chunks": [{"timestamp": [0.0, 2.5], "text": " look at it"}, {"timestamp": [3.0, None], "text": " over there"}],
}
HUB_WORDS = {"text": "", "chunks": [
    {"text": " look", "timestamp": [0.0, 0.4]}, {"text": " there", "timestamp": [0.4, 0.9]}, {"text": " yes", "timestamp": [4.0, 4.5]},
]}  # fmt: skip
WHISPERX = {"segments": [
    {"start": 0.5, "end": 2.0, "text": " look here", "speaker": "SPEAKER_01",
     "words": [{"word": "look", "start": 0.5, "end": 0.9, "score": 0.9}, {"word": "here"}]},
    {"text": " 3 2 1", "words": [{"word": "3", "start": 5.0, "end": 5.2}, {"word": "2"}, {"word": "1", "start": 5.8, "end": 6.0}]},
], "word_segments": [{"word": "look", "start": 0.5, "end": 0.9}], "language": "en"}  # fmt: skip
AZURE_BATCH = {
    "source": "https://x/a.wav", "durationInTicks": 50_000_000, "combinedRecognizedPhrases": [{"channel": 0, "lexical": LONG_TEXT}],
    "recognizedPhrases": [
        {"recognitionStatus": "Success", "channel": 0, "speaker": 1, "offset": "PT0.5S", "duration": "PT2S",
         "offsetInTicks": 5_000_000.0, "durationInTicks": 20_000_000.0, "nBest": [{"confidence": 0.9, "lexical": "look", "display": "Look."}]},
        {"recognitionStatus": "NoMatch", "channel": 0, "offset": "PT3S", "duration": "PT1S"},
    ],
}  # fmt: skip
AZURE_FAST = {
    "durationMilliseconds": 5000, "combinedPhrases": [{"text": LONG_TEXT}],
    "phrases": [{"offsetMilliseconds": 500, "durationMilliseconds": 2000, "text": "Look.", "words": [], "locale": "en-US"}],
}  # fmt: skip
AMAZON_SEGMENTS = {"jobName": "j", "status": "COMPLETED", "results": {
    "transcripts": [{"transcript": "Look."}], "items": [],
    "audio_segments": [{"id": 0, "transcript": "Look.", "start_time": "0.5", "end_time": "2.5", "speaker_label": "spk_0", "items": [0]}],
}}  # fmt: skip
AMAZON_ITEMS = {"jobName": "j", "results": {"transcripts": [], "items": [
    {"start_time": "0.5", "end_time": "0.9", "alternatives": [{"confidence": "1", "content": "Look"}], "type": "pronunciation"},
    {"start_time": "0.9", "end_time": "1.5", "alternatives": [{"content": "here"}], "type": "pronunciation"},
    {"alternatives": [{"confidence": "0.0", "content": "."}], "type": "punctuation"},
    {"start_time": "4.0", "end_time": "4.5", "alternatives": [{"content": "Yes"}], "type": "pronunciation"},
]}}  # fmt: skip
GOOGLE = {"results": [
    {"alternatives": [{"transcript": "look here", "confidence": 0.9,
                       "words": [{"startTime": "0.500s", "endTime": "0.9s", "word": "look"}, {"startTime": "0.9s", "endTime": "2s", "word": "here"}]}],
     "resultEndTime": "2.5s", "languageCode": "en-us"},
    {"alternatives": [{"transcript": " yes"}], "resultEndTime": "4s", "languageCode": "en-us"},
]}  # fmt: skip
OPENAI_WORDS = {"task": "transcribe", "language": "english", "duration": 9.0, "text": "Look here. Yes.", "words": [
    {"word": "Look", "start": 0.5, "end": 0.9}, {"word": "here.", "start": 0.9, "end": 1.5}, {"word": "Yes", "start": 4.0, "end": 4.5},
]}  # fmt: skip
CUE = "00:00:01,000 --> 00:00:02,500"

PROGRAMS = [
    ("openai-whisper json", "a.json", json.dumps(whisper()), WHISPER),
    ("whisper json, key after 100 kB", "a.json", json.dumps(whisper(text=LONG_TEXT)), WHISPER),
    ("whisper json, keys in another order", "a.json", json.dumps(dict(reversed(whisper(text=LONG_TEXT).items()))), WHISPER),
    ("whisper json, escaped Japanese", "a.json", json.dumps(whisper(text="犬" * 30_000)), WHISPER),
    ("whisper json, end null", "a.json", json.dumps(whisper(segments=[{"start": 1.0, "end": None, "text": "look at it"},
                                                                        {"start": 3.0, "end": 4.0, "text": "there"}])),
     [(1.0, 3.0, "", "look at it"), (3.0, 4.0, "", "there")]),
    ("whisper json, NaN", "a.json", '{"segments": [{"start": NaN, "end": NaN, "text": "x"}, {"start": 3, "end": 4, "text": "y"}]}',
     [(3.0, 4.0, "", "y")]),
    ("whisper json in UTF-16, as PowerShell redirects it", "a.json", json.dumps(whisper()).encode("utf-16"), WHISPER),
    ("whisper tsv", "a.tsv", "start\tend\ttext\n0\t2500\tlook at the ball\n3000\t4000\tthere\n", WHISPER),
    ("whisper vtt", "a.vtt", "WEBVTT\n\n00:00.000 --> 00:02.500\nlook at the ball\n\n00:03.000 --> 00:04.000\nthere\n", WHISPER),
    ("whisper srt", "a.srt", "1\n00:00:00,000 --> 00:00:02,500\nlook at the ball\n\n2\n00:00:03,000 --> 00:00:04,000\nthere\n", WHISPER),
    ("whisper.cpp json", "a.mp4.json", json.dumps(CPP), [(0.0, 2.5, "", "look")]),
    ("Hugging Face chunks", "a.json", json.dumps(HUB), [(0.0, 2.5, "", "look at it"), (3.0, 18.0, "", "over there")]),
    ("Hugging Face words", "a.json", json.dumps(HUB_WORDS), [(0.0, 0.9, "", "look there"), (4.0, 4.5, "", "yes")]),
    ("Hugging Face chunks alone", "a.json", json.dumps(HUB["chunks"]), [(0.0, 2.5, "", "look at it"), (3.0, 18.0, "", "over there")]),
    ("WhisperX json", "a.json", json.dumps(WHISPERX), [(0.5, 2.0, "SPEAKER_01", "look here"), (5.0, 6.0, "", "3 2 1")]),
    ("WhisperX vtt", "a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.500\n[SPEAKER_00]: look here\n", [(1.0, 2.5, "SPEAKER_00", "look here")]),
    ("OpenAI API words", "a.json", json.dumps(OPENAI_WORDS), [(0.5, 1.5, "", "Look here."), (4.0, 4.5, "", "Yes")]),
    ("Azure batch, 100 kB of full text first", "a.json", json.dumps(AZURE_BATCH), [(0.5, 2.5, "Speaker 1", "Look.")]),
    ("Azure fast, 100 kB of full text first", "a.json", json.dumps(AZURE_FAST), [(0.5, 2.5, "", "Look.")]),
    ("Azure real-time, one per line", "a.json",
     '{"RecognitionStatus": "Success", "Offset": 5000000, "Duration": 20000000, "DisplayText": "Look."}\n'
     '{"RecognitionStatus": "InitialSilenceTimeout", "Offset": 30000000, "Duration": 1}\n', [(0.5, 2.5, "", "Look.")]),
    ("Amazon Transcribe segments", "a.json", json.dumps(AMAZON_SEGMENTS), [(0.5, 2.5, "spk_0", "Look.")]),
    ("Amazon Transcribe items", "a.json", json.dumps(AMAZON_ITEMS), [(0.5, 1.5, "", "Look here."), (4.0, 4.5, "", "Yes")]),
    ("Google Speech-to-Text", "a.json", json.dumps(GOOGLE), [(0.5, 2.0, "", "look here"), (2.5, 4.0, "", "yes")]),
    ("ChildProject", "a.csv", "segment_onset,segment_offset,speaker_id,speaker_type,transcription,words\n500,2500,FA1,FEM,look at it,3\n"
     "3000,4000,NA,FEM,NA,0\n", [(0.5, 2.5, "FA1", "look at it")]),
    ("ChildProject, columns in another order", "a.csv", "words,transcription,segment_offset,segment_onset\n3,look at it,2500,500\n",
     [(0.5, 2.5, "", "look at it")]),
    ("SAYCam", "r.csv", "Video Name,Utterance Number,Time,Speaker,Utterance,Notes\nr.mov,1,0:01,M,look,\nr.mov,2,0:03,M,\"there, see\",x\n",
     [(1.0, 3.0, "M", "look"), (3.0, 18.0, "M", "there, see")]),
    ("SAYCam, a table of several videos", "r.csv", "Video Name,Time,Speaker,Utterance\nq.mov,0:01,M,other\nr.mov,1:02:03,M,late\nr.mov,0:05,M,look\n",
     [(5.0, 20.0, "M", "look")]),
    ("BabyView", "a.csv", "token_id,utterance_id,utterance,token_num,token,token_start_time,token_end_time\n"
     "1,u1,look here,1,look,0.5,0.9\n2,u1,look here,2,here,0.9,2.5\n3,u2,yes,1,yes,4.0,4.5\n",
     [(0.5, 2.5, "", "look here"), (4.0, 4.5, "", "yes")]),
    ("Excel in Europe", "a.csv", "sep=;\nStart;End;Text\n0,5;2,5;look, here\n", [(0.5, 2.5, "", "look, here")]),
    ("Excel's Unicode text", "a.tsv", "Start (s)\tEnd (s)\tUtterance\n0.5\t2.5\tfaçade\n".encode("utf-16"), [(0.5, 2.5, "", "façade")]),
    ("quoted line breaks", "a.csv", 'start,end,text\n0.5,2.5,"look\nhere"\n3,4,yes\n', [(0.5, 2.5, "", "look here"), (3.0, 4.0, "", "yes")]),
    ("clock times", "a.csv", "START,END,TEXT\n00:00:01.5,00:00:02.5,look\n1:05,1:06.25,there\n", [(1.5, 2.5, "", "look"), (65.0, 66.25, "", "there")]),
    ("units in cells", "a.csv", "start,end,text\n500ms,2.5s,look\n", [(0.5, 2.5, "", "look")]),
    ("offset and duration", "a.csv", "offset,duration,text\n0.5,2,look\n", [(0.5, 2.5, "", "look")]),
    ("SubRip with tags, mark and CRLF", "a.srt", b"\xef\xbb\xbf1\r\n" + CUE.encode() + b" X1:10 X2:20\r\n{\\an8}<i>look</i> <font color=\"red\">here</font>\r\n\r\n",
     [(1.0, 2.5, "", "look here")]),
    ("SubRip in UTF-16", "a.srt", f"1\n{CUE}\nfaçade\n".encode("utf-16"), [(1.0, 2.5, "", "façade")]),
    ("SubRip in UTF-16 without a mark", "a.srt", f"1\n{CUE}\nlook here\n".encode("utf-16-le"), [(1.0, 2.5, "", "look here")]),
    ("SubRip in Windows-1252", "a.srt", f"1\n{CUE}\nça va, “toi”\n".encode("cp1252"), [(1.0, 2.5, "", "ça va, “toi”")]),
    ("SubRip with points and short fields", "a.srt", "1\n0:0:1.0 --> 0:0:2.5\nlook\n", [(1.0, 2.5, "", "look")]),
    ("SubRip with lines ended twice", "a.srt", f"1\r\r\n{CUE}\r\r\nlook\r\r\n\r\r\n2\r\r\n00:00:03,000 --> 00:00:04,000\r\r\nyes\r\r\n",
     [(1.0, 2.5, "", "look"), (3.0, 4.0, "", "yes")]),
    ("SubRip, every other line empty", "a.srt", f"1\n\n{CUE}\n\nlook\n\n\n\n2\n\n00:00:03,000 --> 00:00:04,000\n\nyes\n",
     [(1.0, 2.5, "", "look"), (3.0, 4.0, "", "yes")]),
    ("SAYCam, rows without words end those before", "r.csv", "Video Name,Time,Speaker,Utterance\nr.mov,0:01,M,look\nr.mov,0:05,M,\nr.mov,0:07,M,yes\n",
     [(1.0, 5.0, "M", "look"), (7.0, 22.0, "M", "yes")]),
    ("SubRip without numbers", "a.srt", f"{CUE}\n7\n\n00:00:03,000 --> 00:00:04,000\n8\n", [(1.0, 2.5, "", "7"), (3.0, 4.0, "", "8")]),
    ("SubRip with an empty line in a cue", "a.srt", f"1\n{CUE}\nlook\n\nhere\n\n2\n00:00:03,000 --> 00:00:04,000\nyes\n",
     [(1.0, 2.5, "", "look here"), (3.0, 4.0, "", "yes")]),
    ("WebVTT with all of its blocks", "a.vtt", "WEBVTT Kind: captions; Language: en\n\nSTYLE\n::cue { color: red }\n \n.x {}\n\nREGION\nid:r\nlines:3\n\n"
     "NOTE a comment\nof two lines\n\nid 1\n00:01.000 --> 00:02.500 region:r line:0 position:10%,line-left\n<c.red><lang en>Tom &amp; I</lang></c>&nbsp;look\n",
     [(1.0, 2.5, "", "Tom & I look")]),
    ("WebVTT, a cue named NOTE", "a.vtt", "WEBVTT\n\nNOTE 1\n00:01.000 --> 00:02.500\nlook\n", [(1.0, 2.5, "", "look")]),
    ("WebVTT, a line of blanks within a cue", "a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.500\n \nlook\n\n", [(1.0, 2.5, "", "look")]),
    ("WebVTT, lines of blanks between cues", "a.vtt", "WEBVTT\n \n1\n00:01.000 --> 00:02.500\nlook\n \n2\n00:03.000 --> 00:04.000\nyes\n",
     [(1.0, 2.5, "", "look"), (3.0, 4.0, "", "yes")]),
    ("WebVTT, ruby", "a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.500\n<ruby>犬<rt>いぬ</rt></ruby>だ\n", [(1.0, 2.5, "", "犬だ")]),
    ("WebVTT of a stream", "a.vtt", "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n00:01.000 --> 00:02.500\nlook\n\n"
     "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:1800000,LOCAL:00:00:00.000\n\n00:01.000 --> 00:02.500\nthere\n",
     [(1.0, 2.5, "", "look"), (11.0, 12.5, "", "there")]),
    ("Zoom", "a.vtt", "WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.500\nAnna B: look\n\n2\n00:00:03.000 --> 00:00:04.000\nAnna B: there\n",
     [(1.0, 2.5, "Anna B", "look"), (3.0, 4.0, "Anna B", "there")]),
    ("Ego4D", "narration.json", json.dumps({"r": {"narration_pass_1": {"narrations": [
        {"timestamp_sec": 5.0, "timestamp_frame": 150, "narration_text": "#C C opens a drawer"},
        {"timestamp_sec": 6.0, "narration_text": "#unsure"}]}}}), [(3.0, 5.5, "Narrator", "C opens a drawer")]),
    ("marks of other sounds", "a.srt", "".join(f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\n{text}\n\n" for n, text in enumerate(
        ["[BLANK_AUDIO]", "♪", "(music)", "*coughs*", "<|nospeech|>", "[Music] (door slams)", "♪♪ [music]", "hey (music)"], start=1)),
     [(8.0, 8.9, "", "hey (music)")]),
]  # fmt: skip


@pytest.mark.case("formats")
@pytest.mark.parametrize(("name", "text", "expected"), [row[1:] for row in PROGRAMS], ids=[row[0] for row in PROGRAMS])
def test_programs_are_read_as_they_define_their_output(
    tmp_path: Path, name: str, text: str | bytes, expected: list[tuple]
) -> None:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert is_transcript(path) or name == "narration.json"
    found = read_transcript(path, recording="r", duration_s=DURATION_S)
    assert [(said.start_s, said.end_s, said.speaker, said.text) for said in found.utterances] == expected
    assert found.unreadable == ()


@pytest.mark.case("formats")
@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "start,end,text\n500,2500,look at it\n3000,4000,there\n", "as milliseconds they would fit"),
        ("a.csv", "segment_onset,segment_offset,transcription\n0.5,2.5,look at it\n3,4,there\n", "another unit"),
        ("a.tsv", "start\tend\ttext\n0.5\t2.5\tlook at it\n3.0\t4.0\tthere\n", "another unit"),
        ("a.csv", "onset_ms,offset_ms,text\n1,2,look at it\n3,4,there you go\n", "another unit"),
        ("a.json", json.dumps([{"start": 500, "end": 2500, "text": "a"}, {"start": 3000, "end": 4000, "text": "b"}]), "milliseconds"),
        ("a.csv", "start_frame,end_frame,text\n15,75,look\n", "expected the columns start"),
        ("a.eaf", '<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="samples"/><TIER TIER_ID="a"/></ANNOTATION_DOCUMENT>', "TIME_UNITS"),
    ],
)  # fmt: skip
def test_times_in_another_unit_are_refused(tmp_path: Path, name: str, text: str, says: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TranscriptError, match=rf"{name}.*{says}"):
        read_transcript(path, recording="r", duration_s=15.0)


@pytest.mark.case("formats")
def test_an_encoding_that_nothing_declares_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"start,end,text\n1,2,fa\xe7ade\n")
    found = read_transcript(tmp_path / "a.csv", recording="r", duration_s=9.0)
    assert [said.text for said in found.utterances] == ["façade"]
    (note,) = map(str, found.notes)
    assert "line 2" in note and "Windows-1252" in note


@pytest.mark.case("formats")
def test_a_table_of_another_video_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Video Name,Time,Speaker,Utterance\nb.mov,0:01,M,look\n")
    found = read_transcript(tmp_path / "a.csv", recording="a", duration_s=9.0)
    assert len(found.utterances) == 1 and any("name the video 'b'" in str(note) for note in found.notes)
