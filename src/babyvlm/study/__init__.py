"""People take the toolbox's items in a browser: the human rows of the table.

    toolbox + StudyConfig ──> study.db ──> server ──> browsers        babyvlm study serve
                                 │
                                 └──> run folders, tidy CSV           babyvlm study export

A participant is a respondent like any other: the same items, one reply for each turn, the same scoring. The paper's
human row was collected by hand; designs, delays and exclusion rules here are ours, and are recorded with every result.
"""

from babyvlm.errors import MissingExtraError
from babyvlm.study.configuration import ExclusionRules, Group, ServeConfig, StudyConfig
from babyvlm.study.design import PlannedTrial, plan_session

__all__ = [
    "ExclusionRules",
    "Group",
    "PlannedTrial",
    "ServeConfig",
    "StudyConfig",
    "plan_session",
    "require_study_extra",
]


def require_study_extra(needed_for: str) -> None:
    """Raises MissingExtraError where what a study is served and stored with is not installed."""
    try:
        import fastapi  # noqa: F401
        import sqlalchemy  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(needed_for, "study") from error
