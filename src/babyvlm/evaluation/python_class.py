"""Anyone's Python class as a respondent: ``python:FILE.py:CLASS``.

The class is made without arguments and has one of two methods:

    score(texts, images)      a matrix of figures, one row for each text and one column for each picture: the higher,
                              the better the two go together. It answers the sub-tasks that ask for a word's picture.
    answer(question, images)  the reply as text, or a figure for each option of the last round. ``question`` is a
                              `babyvlm.records.Question` up to that round, with the earlier replies in its ``history``;
                              ``images`` are the pictures of all its rounds, in the order of their placeholders.

Pictures are PIL images, RGB. The class may have a ``name`` for the report, and ``sends_data_out = True`` where it
shows pictures to another machine: restricted ones are refused then. The file is run as Python runs it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from babyvlm.errors import BabyVLMError, ConfigError, InputError
from babyvlm.evaluation.likeness import WORD_ROWS, asked_word, best_option, likeness_takes, offered_captions
from babyvlm.evaluation.option_scores import plain_scores
from babyvlm.evaluation.respondents import Family, ImageReader
from babyvlm.records import OptionScores, Question, Reply, Response

_METHODS = ("score", "answer")


class PythonClass:
    """A class of somebody's file.

    Args:
        path: The file.
        name: The class.
        seed: Of guesses, where figures are equal.

    Raises:
        InputError: The file does not run, has no such class, or the class has not one of the two methods.
    """

    family: Family = "open-source"

    def __init__(self, path: Path, name: str, *, seed: int = 0) -> None:
        self._path, self._class, self._seed = path, name, seed
        module = self._run()
        made = getattr(module, name, None)
        if not inspect.isclass(made):
            there = [found for found, one in vars(module).items() if inspect.isclass(one)]
            remedy = f"It has {', '.join(there)}" if there else "It has no class at all"
            raise InputError(f"no class {name!r} in this file", path=path, remedy=remedy)
        self._user: Any = self._guarded("making it", made)
        has = [method for method in _METHODS if callable(getattr(self._user, method, None))]
        if len(has) != 1:
            found = "both score and answer" if has else "neither score nor answer"
            remedy = "Give it one of score(texts, images) and answer(question, images)"
            raise InputError(f"the class {name} has {found}", path=path, remedy=remedy)
        self._scores_pairs = has == ["score"]
        self.name = str(getattr(self._user, "name", name))
        self.sends_data_out = bool(getattr(self._user, "sends_data_out", False))
        self.revision = hashlib.sha256(path.read_bytes()).hexdigest()[:16]

    def takes(self, row: str) -> bool:
        """Whether it can answer a row's items: all with ``answer``, with ``score`` those that ask for a word."""
        return not self._scores_pairs or likeness_takes(row, WORD_ROWS)

    def answer(self, questions: Sequence[Question], images: ImageReader) -> Iterator[Response]:
        for question in questions:
            replies: list[Reply] = []
            for number in range(len(question.turns)):
                began_s = time.monotonic()
                reply = (
                    self._matched(question, number, images)
                    if self._scores_pairs
                    else self._answered(question, number, images, [one.text or "" for one in replies])
                )
                replies.append(reply.model_copy(update={"latency_s": round(time.monotonic() - began_s, 5)}))
            yield Response(item=question.id, replies=tuple(replies))

    def _matched(self, question: Question, number: int, images: ImageReader) -> Reply:
        turn = question.turns[number]
        word, scores = asked_word(turn), [0.0] * len(turn.options)
        if captions := offered_captions(turn):
            scores = self.score(captions, [images(turn.images[0])])[:, 0].tolist()
        if word:
            scores = self.score([word], [images(name) for name in turn.images])[0].tolist()
        return self._chosen(question, number, scores)

    def _chosen(self, question: Question, number: int, values: Sequence[float]) -> Reply:
        scores: OptionScores = plain_scores("score", values)
        return Reply(text=best_option(values, question, number, self._seed), scores=scores)

    def _answered(self, question: Question, number: int, images: ImageReader, said: Sequence[str]) -> Reply:
        turns = question.turns[: number + 1]
        history = question.history[:number] or tuple(said)
        asked = question.model_copy(update={"turns": turns, "history": history})
        pictures = [images(name) for turn in turns for name in turn.images]
        found = self._guarded("answer()", self._user.answer, asked, pictures)
        if isinstance(found, str):
            return Reply(text=found)
        options = len(turns[-1].options)
        values = self._numbers("answer()", found, (options,), f"a text, or {options} figures, one for each option")
        return self._chosen(question, number, values.tolist())

    def score(self, texts: Sequence[str], pictures: Sequence[Image.Image]) -> NDArray[np.float64]:
        """What the class says of texts and pictures, (texts, pictures).

        Raises:
            InputError: It fails, or gives another shape, or something that is no finite number.
        """
        found = self._guarded("score()", self._user.score, list(texts), list(pictures))
        shape = len(texts), len(pictures)
        wanted = f"a matrix of {shape[0]} x {shape[1]} figures, one row for each text and one column for each picture"
        return self._numbers("score()", found, shape, wanted)

    def _numbers(self, what: str, found: Any, shape: tuple[int, ...], wanted: str) -> NDArray[np.float64]:
        try:
            values = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            problem = f"{self._class}.{what} gave a {type(found).__name__} ({error}), where it must give {wanted}"
            raise InputError(problem, path=self._path) from error
        if values.shape != shape:
            got = "one figure" if not values.shape else " x ".join(map(str, values.shape)) + " figures"
            raise InputError(f"{self._class}.{what} gave {got}, where it must give {wanted}", path=self._path)
        if not np.isfinite(values).all():
            place = ", ".join(str(axis + 1) for axis in np.argwhere(~np.isfinite(values))[0])
            problem = f"{self._class}.{what} gave a figure that is not finite ({values.min()}) at place {place}"
            raise InputError(problem, path=self._path, remedy="Every figure must be a finite number")
        return values

    def _run(self) -> ModuleType:
        """The file as a module; what lies beside it can be imported from it."""
        if not self._path.is_file():
            raise InputError("no such file", path=self._path, remedy="Write python:FILE.py:CLASS")
        named = f"babyvlm_python_{self._path.stem}"
        spec = importlib.util.spec_from_file_location(named, self._path)
        if spec is None or spec.loader is None:
            raise InputError("not a file of Python", path=self._path, remedy="Its name must end in .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[named] = module  # dataclasses look their module up
        beside = str(self._path.resolve().parent)
        if beside not in sys.path:
            sys.path.insert(0, beside)
        self._guarded("running the file", spec.loader.exec_module, module)
        return module

    def _guarded(self, what: str, function: Any, *given: Any) -> Any:
        """Calls what is in the file; an error names the line of the file where it came up."""
        try:
            return function(*given)
        except BabyVLMError:
            raise
        except Exception as error:
            own = str(self._path)
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
            line = error.lineno if isinstance(error, SyntaxError) and error.filename == own else (lines or [None])[-1]
            message = error.msg if isinstance(error, SyntaxError) else str(error)
            raise InputError(
                f"{what} failed: {type(error).__name__}: {message}",
                path=self._path,
                place=f"line {line}" if line else None,
            ) from error


def open_python(rest: str, seed: int = 0) -> PythonClass:
    """The respondent that ``python:FILE.py:CLASS`` names.

    Args:
        rest: ``FILE.py:CLASS``.
        seed: Of guesses.

    Raises:
        ConfigError: It does not name a file and a class.
        InputError: As `PythonClass` raises it.
    """
    path, _, name = rest.rpartition(":")
    if not path or not name.isidentifier():
        raise ConfigError(f"python:{rest} does not name a file and a class: write python:FILE.py:CLASS")
    return PythonClass(Path(path), name, seed=seed)
