"""Recordings, transcripts and boxes as providers lay them out: SAYCam, BabyView, Ego4D, or any folder of videos."""

from babyvlm.corpus.accounting import FileAccount
from babyvlm.corpus.corpus import Corpus, open_corpus
from babyvlm.corpus.layouts import LAYOUTS, Layout
from babyvlm.corpus.overview import CorpusIndex, IndexRow, describe, index, write_problems
from babyvlm.corpus.photographs import read_photo_annotations
from babyvlm.corpus.problems import Problem
from babyvlm.corpus.recording_boxes import RecordingBoxes, read_boxes
from babyvlm.corpus.recordings import SplitFractions
from babyvlm.corpus.transcripts import Cue, Transcript, parse_transcript, parse_webvtt, read_transcript

__all__ = [
    "LAYOUTS",
    "Corpus",
    "CorpusIndex",
    "Cue",
    "FileAccount",
    "IndexRow",
    "Layout",
    "Problem",
    "RecordingBoxes",
    "SplitFractions",
    "Transcript",
    "describe",
    "index",
    "open_corpus",
    "parse_transcript",
    "parse_webvtt",
    "read_boxes",
    "read_photo_annotations",
    "read_transcript",
    "write_problems",
]
