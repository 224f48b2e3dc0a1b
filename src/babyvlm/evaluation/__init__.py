"""Respondents answer items; runs keep what they replied."""

from babyvlm.evaluation.choose import BASELINES, choose_controls, choose_respondent
from babyvlm.evaluation.configuration import AskConfig
from babyvlm.evaluation.respondents import Respondent
from babyvlm.evaluation.runs import Run, evaluate, read_run, score_run

__all__ = [
    "BASELINES",
    "AskConfig",
    "Respondent",
    "Run",
    "choose_controls",
    "choose_respondent",
    "evaluate",
    "read_run",
    "score_run",
]
