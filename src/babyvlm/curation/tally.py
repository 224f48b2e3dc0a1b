"""Counts of what curation keeps and leaves out, by reason, and the thresholds above which it fails.

Loss is measured in data, seconds of recordings and numbers of cues, and never in files: one damaged file of a small
corpus is more than any fraction of its files, and stops nothing by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from babyvlm.corpus import Corpus, FileAccount, Problem
from babyvlm.curation.configuration import CurationConfig
from babyvlm.errors import InputError, MediaError
from babyvlm.media import Damage
from babyvlm.records import Recording

UNREADABLE_TRANSCRIPT, NO_TRANSCRIPT = "unreadable transcript", "recording without a transcript"
UNREADABLE_CUE, IMPOSSIBLE_UTTERANCE = "unreadable cue", "impossible utterance"
UNREADABLE_VIDEO = "unreadable video"


class Tally:
    """Counts what is kept and skipped, and decides when a problem stops curation.

    Args:
        config: What to do about problems, and how much may be lost.
        corpus: The corpus.
    """

    def __init__(self, config: CurationConfig, corpus: Corpus) -> None:
        self._config, self._corpus = config, corpus
        self._first: dict[str, str] = {}
        self._lost_s: dict[str, float] = {}
        self._unused: dict[Path, str] = {}
        self._stand_ins: list[Path] = []
        self.counts: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._known_s = sum(recording.duration_s for recording in corpus.recordings)
        sizes = [_size(corpus.media_path(recording)) for recording in corpus.recordings]
        self._s_per_byte = self._known_s / max(1, sum(sizes))

    @property
    def files(self) -> FileAccount:
        """Every file of the corpus: used, or left out by a reason."""
        return self._corpus.files.without(self._unused, in_their_place=self._stand_ins)

    def problem(self, problem: Problem) -> None:
        """Counts a note; raises any other problem, or counts it, as ``on_problem`` has it."""
        if problem.used:
            self.counts[f"noted: {problem.reason}"] += 1
            return
        if self._config.on_problem == "fail":
            raise _with_way_out(problem.error) from problem.error
        self.skipped[problem.reason] += 1
        self._first.setdefault(problem.reason, problem.message)
        if problem.reason == UNREADABLE_VIDEO:
            self._lost_s[str(problem.file)] = _size(problem.file) * self._s_per_byte

    def problems(self, reason: str, errors: Iterable[InputError]) -> None:
        """Counts, or raises, one problem for each error."""
        for error in errors:
            self.problem(Problem(reason=reason, error=error))

    def lose(self, recording: Recording, reason: str, transcript: Path | None = None) -> None:
        """Counts a recording that is not used."""
        self._unused[self._corpus.media_path(recording)] = reason
        if transcript is not None:
            self._unused[transcript] = reason
        if reason != NO_TRANSCRIPT:
            self._lost_s[recording.id] = recording.duration_s

    def stand_in(self, transcript: Path, broken: Iterable[Path]) -> None:
        """A transcript that is used in place of others of its recording, which do not parse."""
        self._stand_ins.append(transcript)
        self._unused |= dict.fromkeys(broken, UNREADABLE_TRANSCRIPT)

    def damage(self, recording: Recording, damage: Damage) -> None:
        """Counts what of a recording's picture does not decode.

        Raises:
            MediaError: It is more than may be lost, and problems are to stop curation.
        """
        if not damage.lost_s:
            return
        lost_s = min(recording.duration_s, damage.lost_s)
        path = self._corpus.media_path(recording)
        if self._config.on_problem == "fail" and lost_s > self._config.max_skipped_fraction * recording.duration_s:
            remedy = "Copy the file again, or use the rest of it with --on-problem skip"
            raise MediaError(str(damage), path=path, remedy=remedy)
        self._lost_s[recording.id] = lost_s
        self._first.setdefault("damaged picture", f"{path}: {damage}")
        self.counts["noted: damaged picture"] += 1
        self.counts["seconds of damaged or missing picture"] += round(lost_s)
        self.skipped["picture lost to damage"] += damage.lost_moments

    def check_recordings(self) -> None:
        """Raises InputError when too many seconds of recordings had to be left out."""
        unopened = {str(problem.file) for problem in self._corpus.problems} & self._lost_s.keys()
        total_s = self._known_s + sum(self._lost_s[name] for name in unopened)
        lost_s, files = sum(self._lost_s.values()), len(self._lost_s)
        self._check(f"{lost_s:.0f} of {total_s:.0f} s, in {files} recordings,", lost_s, total_s, files)

    def check_cues(self, skipped: int, total: int) -> None:
        """Raises InputError when too many cues of transcripts had to be left out."""
        self._check(f"{skipped} of {total} utterances", skipped, total, skipped)

    def _check(self, what: str, lost: float, total: float, parts: int) -> None:
        most = self._config.max_skipped_fraction
        if (parts > 1 and lost > most * total) if most else parts:
            examples = "; ".join(f"{reason}: {message}" for reason, message in self._first.items())
            raise InputError(
                f"{what} cannot be used, more than max_skipped_fraction ({most:g}) allows. {examples}",
                path=self._corpus.folder,
            )


def _with_way_out(error: InputError) -> InputError:
    """The error with what else to do about it than to mend the file."""
    skip = "To leave out and count what cannot be used: --on-problem skip"
    remedy = f"{error.remedy}. {skip}" if error.remedy else skip
    return type(error)(error.problem, path=error.path, place=error.place, remedy=remedy)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
