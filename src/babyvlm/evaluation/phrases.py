"""Baby Winoground in a run: how likely a model finds each phrase of a pair beside each of its pictures.

pairs of the run's items -> JudgesPhrases.phrase_loss, four times a pair -> RUN/phrases.jsonl -> Scores.winoground
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from babyvlm.evaluation.durable import DurableLines, cut_torn_line
from babyvlm.evaluation.respondents import ImageReader, JudgesPhrases
from babyvlm.progress import progress
from babyvlm.records import read_jsonl
from babyvlm.toolbox import Scores
from babyvlm.toolbox.winoground import JudgedPair, PairLosses, WinogroundPair, winoground_scores

PHRASES = "phrases.jsonl"


def judge_phrases(respondent: JudgesPhrases, pairs: Sequence[WinogroundPair], images: ImageReader, run: Path) -> None:
    """Adds to a run the losses of every pair that is not judged yet.

    Args:
        respondent: Who judges.
        pairs: Those that the items of the run make.
        images: Gives a picture.
        run: The run folder.
    """
    path = run / PHRASES
    if not pairs:
        return
    cut_torn_line(path)
    known = {judged.pair for judged in read_jsonl(path, JudgedPair)} if path.is_file() else set()
    waiting = [pair for pair in pairs if pair not in known]
    with closing(DurableLines(path)) as lines:
        for pair in progress(waiting, description="judge phrases", total=len(waiting), unit="pair"):
            judged = JudgedPair(pair=pair, losses=_losses(respondent, pair, images))
            lines.write(judged.model_dump_json())


def _losses(respondent: JudgesPhrases, pair: WinogroundPair, images: ImageReader) -> PairLosses:
    losses = {}
    for number, name in enumerate(pair.images):
        picture = images(name)
        for place, phrase in enumerate(pair.phrases):
            losses[f"image{number}_phrase{place}"] = respondent.phrase_loss(picture, phrase)
    return PairLosses(**losses)


def with_phrases(scores: Scores, run: Path) -> Scores:
    """A run's scores with Baby Winoground, where phrases were judged in it."""
    path = run / PHRASES
    judged = [one.losses for one in read_jsonl(path, JudgedPair)] if path.is_file() else []
    return scores.model_copy(update={"winoground": winoground_scores(judged)}) if judged else scores
