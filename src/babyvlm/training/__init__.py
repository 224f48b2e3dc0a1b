"""The five stages of training, from a curated set to checkpoints."""

from babyvlm.names import STAGES
from babyvlm.training.configuration import Recipe
from babyvlm.training.memory import require_memory
from babyvlm.training.processes import (
    end_at_once,
    part_from_others,
    processes_started,
    run_in_processes,
    unused_gpus,
    worth_starting,
)
from babyvlm.training.room import require_room
from babyvlm.training.stages import Trainer, possible_stages, train_in_process
from babyvlm.training.start import read_start

__all__ = [
    "STAGES",
    "Recipe",
    "Trainer",
    "end_at_once",
    "part_from_others",
    "possible_stages",
    "processes_started",
    "read_start",
    "require_memory",
    "require_room",
    "run_in_processes",
    "train_in_process",
    "unused_gpus",
    "worth_starting",
]
