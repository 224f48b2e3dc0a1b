"""What lies beside Ego4D's videos: ``ego4d.json`` says who filmed, a narration file what is done.

v2/full_scale/<uid>.mp4     v2/ego4d.json     v2/annotations/all_narrations_redacted.json
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ValidationError

from babyvlm.corpus.transcripts.narrations import NARRATION_FILES
from babyvlm.errors import InputError
from babyvlm.regular_files import read_regular

METADATA_FILE = "ego4d.json"


class _Video(BaseModel):
    video_uid: str
    fb_participant_id: int | str | None = None


class _Metadata(BaseModel):
    videos: list[_Video]


def read_participants(files: Iterable[Path]) -> dict[str, str]:
    """Who filmed each video, by uid, from the first ``ego4d.json`` among the files; nobody where there is none.

    Raises:
        InputError: The file is not Ego4D's.
    """
    path = next((path for path in files if path.name == METADATA_FILE), None)
    if path is None:
        return {}
    try:
        metadata = _Metadata.model_validate_json(read_regular(path))
    except OSError as error:
        raise InputError(f"Ego4D's metadata does not read ({error})", path=path) from error
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"not Ego4D's metadata: {error.errors()[0]['msg']}", path=path, place=place or None) from error
    return {
        video.video_uid: f"participant {video.fb_participant_id}"
        for video in metadata.videos
        if video.fb_participant_id is not None
    }


def find_narrations(files: Iterable[Path]) -> Path | None:
    """The narration file among a corpus's files, the first by path where there are several."""
    return next((path for path in files if path.name in NARRATION_FILES), None)
