"""Recorded prompts: a folder of sound files in, the one for each sentence out; and what there is to record.

A file is named after what it says: ``touch-the-banana.mp3`` says "Touch the banana.". Where a sentence has none, the
browser's own voice says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from babyvlm.errors import ConfigError
from babyvlm.records import Item, Record
from babyvlm.regular_files import read_regular
from babyvlm.study.configuration import StudyConfig
from babyvlm.study.presentation import ATTENTION_PROMPT, present
from babyvlm.toolbox.tasks import row_name

MEDIA_TYPES = {".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".ogg": "audio/ogg", ".wav": "audio/wav"}


class Sentence(Record):
    """Something a study says."""

    text: str
    stem: str
    """Name of its recording, without the ending."""
    times: int
    """In how many rounds of the study's items it is said; 0 for an attention check."""


class Voices:
    """The recordings of a folder.

    Args:
        folder: None for no recordings.

    Raises:
        ConfigError: There is no such folder, or two files say the same.
    """

    def __init__(self, folder: Path | None) -> None:
        self._files: dict[str, Path] = {}
        if folder is None:
            return
        if not folder.is_dir():
            raise ConfigError(f"--voice {folder}: no such folder")
        for path in sorted(folder.iterdir()):
            if path.suffix not in MEDIA_TYPES:
                continue
            if path.stem in self._files:
                raise ConfigError(f"--voice: {self._files[path.stem].name} and {path.name} say the same; keep one")
            self._files[path.stem] = path

    def hold(self, sentence: str) -> bool:
        """Whether the sentence is recorded."""
        return voice_file_stem(sentence) in self._files

    def recording(self, sentence: str) -> tuple[bytes, str] | None:
        """The recording of a sentence and its media type; None where there is none."""
        path = self._files.get(voice_file_stem(sentence))
        return None if path is None else (read_regular(path), MEDIA_TYPES[path.suffix])


def sentences_of(items: Iterable[Item], config: StudyConfig) -> tuple[Sentence, ...]:
    """Everything a study of these items may say, in the order of the alphabet."""
    times: dict[str, int] = {ATTENTION_PROMPT: 0} if config.attention_every or config.child_attention_every else {}
    for item in items:
        if config.tasks and row_name(item.task, item.variant) not in config.tasks:
            continue
        for turn in range(len(item.turns)):
            shown = present(item, turn, config)
            for sentence in filter(None, (shown.watch, shown.say)):
                times[sentence] = times.get(sentence, 0) + 1
    return tuple(Sentence(text=text, stem=voice_file_stem(text), times=times[text]) for text in sorted(times))


def voice_file_stem(said: str) -> str:
    """The name, without its ending, of the file in which a prompt is recorded.

    >>> voice_file_stem("Touch the teddy bear.")
    'touch-the-teddy-bear'
    """
    return re.sub(r"[\W_]+", "-", said.lower()).strip("-")
