"""One builder a sub-task: from a bench full of boxes and crops to drafts of items."""

from babyvlm.toolbox.builders.bench import Bench, Builder, Built, MemoryTests, choose_pool
from babyvlm.toolbox.builders.delayed_response import delayed_response_binary, delayed_response_open
from babyvlm.toolbox.builders.hard_matching import left_right_hard, memory_hard, spatial_details_hard
from babyvlm.toolbox.builders.hard_number import object_counting_hard, subitizing_hard, who_has_more_synthetic_hard
from babyvlm.toolbox.builders.language import (
    localization,
    looking_while_listening,
    picture_vocabulary,
    picture_vocabulary_easy,
)
from babyvlm.toolbox.builders.matching import left_right, left_right_easy, spatial_details, spatial_details_easy
from babyvlm.toolbox.builders.memory import memory, memory_easy
from babyvlm.toolbox.builders.number import (
    object_counting,
    subitizing,
    who_has_more_naturalistic,
    who_has_more_synthetic,
)

FRAME_BUILDERS: dict[str, Builder] = {
    "localization": localization,
    "visual_delayed_response_binary": delayed_response_binary,
    "visual_delayed_response_open": delayed_response_open,
    "who_has_more_naturalistic": who_has_more_naturalistic,
    "object_counting": object_counting,
}
"""Builders that need boxes alone."""

CROP_BUILDERS: dict[str, Builder] = {
    "looking_while_listening": looking_while_listening,
    "picture_vocabulary": picture_vocabulary,
    "left_right": left_right,
    "spatial_details": spatial_details,
    "memory": memory,
    "who_has_more_synthetic": who_has_more_synthetic,
    "subitizing": subitizing,
    "left_right.hard": left_right_hard,
    "spatial_details.hard": spatial_details_hard,
    "memory.hard": memory_hard,
    "who_has_more_synthetic.hard": who_has_more_synthetic_hard,
    "subitizing.hard": subitizing_hard,
    "object_counting.hard": object_counting_hard,
    "picture_vocabulary.easy": picture_vocabulary_easy,
    "left_right.easy": left_right_easy,
    "spatial_details.easy": spatial_details_easy,
    "memory.easy": memory_easy,
}
"""Builders that draw on the pool of crops."""

__all__ = ["CROP_BUILDERS", "FRAME_BUILDERS", "Bench", "Builder", "Built", "MemoryTests", "choose_pool"]
