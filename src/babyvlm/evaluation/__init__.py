"""Respondents answer items; runs keep what they replied."""

from babyvlm.evaluation.choose import BASELINES, choose_respondent
from babyvlm.evaluation.respondents import Respondent
from babyvlm.evaluation.runs import Run, evaluate, read_run, score_run

__all__ = ["BASELINES", "Respondent", "Run", "choose_respondent", "evaluate", "read_run", "score_run"]
