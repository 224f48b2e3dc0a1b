"""The DevCV Toolbox: ten tasks in twelve sub-tasks, built from boxes and tracks, and their scoring.

source of boxed frames -> build_toolbox -> toolbox folder -> respondents (evaluation/) -> score -> Scores
training split         -> write_instruction_set -> conversations for instruction tuning
"""

from babyvlm.toolbox.build import ToolboxConfig, build_toolbox
from babyvlm.toolbox.cropping import CropConfig
from babyvlm.toolbox.disjoint import Disjointness, Fingerprints, TrainingSet, near_duplicates, prove_disjoint
from babyvlm.toolbox.folder import Toolbox, open_toolbox
from babyvlm.toolbox.instruction import (
    InstructionConfig,
    published_amounts,
    published_proportions,
    write_instruction_set,
)
from babyvlm.toolbox.replies import Scoring, read_answer
from babyvlm.toolbox.scoring import (
    ItemScore,
    Scores,
    TaskScore,
    TurnScore,
    leaderboard_results,
    score,
    score_item,
    summarise,
    wilson_interval,
)
from babyvlm.toolbox.sources import CorpusSource, FrameSource, PhotoSource
from babyvlm.toolbox.tasks import TASKS, TaskSpec, task_named

__all__ = [
    "TASKS",
    "CorpusSource",
    "CropConfig",
    "Disjointness",
    "Fingerprints",
    "FrameSource",
    "InstructionConfig",
    "ItemScore",
    "PhotoSource",
    "Scores",
    "Scoring",
    "TaskScore",
    "TaskSpec",
    "Toolbox",
    "ToolboxConfig",
    "TrainingSet",
    "TurnScore",
    "build_toolbox",
    "leaderboard_results",
    "near_duplicates",
    "open_toolbox",
    "prove_disjoint",
    "published_amounts",
    "published_proportions",
    "read_answer",
    "score",
    "score_item",
    "summarise",
    "task_named",
    "wilson_interval",
    "write_instruction_set",
]
