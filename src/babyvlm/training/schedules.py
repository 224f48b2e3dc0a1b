"""What changes from step to step: rates, decay, temperature, momentum.

learning rate    linear warm-up, then a cosine to zero or constant
weight decay     along a cosine from its start to its end
temperature      linear from its start, then constant (rising)
momentum         along a cosine from its start to 1
"""

from __future__ import annotations

import math

from babyvlm.training.configuration import VisionStage
from babyvlm.training.optimisation import Optimisation


def cosine(start: float, end: float, step: int, steps: int) -> float:
    """From ``start`` at step 0 to ``end`` at step ``steps``, along half a cosine.

    >>> [round(cosine(0.04, 0.4, step, 10), 3) for step in (0, 5, 10)]
    [0.04, 0.22, 0.4]
    """
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * step / max(1, steps)))


def learning_rate_factor(step: int, steps: int, settings: Optimisation) -> float:
    """Share of the peak rate at a step, counted from 0.

    >>> usual = Optimisation(learning_rate=1.0, batch_size=1, steps=10, warmup_fraction=0.2)
    >>> [round(learning_rate_factor(step, 10, usual), 2) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warmup = max(1, round(steps * settings.warmup_fraction))
    if step < warmup:
        return (step + 1) / warmup
    if settings.schedule == "constant":
        return 1.0
    return cosine(1.0, 0.0, step - warmup, steps - warmup)


def weight_decay(step: int, steps: int, settings: Optimisation) -> float:
    """The weight decay of matrices at a step."""
    if settings.weight_decay_end is None:
        return settings.weight_decay
    return cosine(settings.weight_decay, settings.weight_decay_end, step, steps)


def rising(start: float, end: float, step: int, until: int) -> float:
    """Linear from ``start`` at step 0 to ``end`` at step ``until``, then constant.

    >>> [round(rising(0.04, 0.07, step, 30), 3) for step in (0, 10, 30, 99)]
    [0.04, 0.05, 0.07, 0.07]
    """
    return end if step >= until else start + (end - start) * step / until


def teacher_temperature(step: int, steps: int, settings: VisionStage) -> float:
    """The teacher's temperature at a step."""
    if settings.teacher_temperature_start is None:
        return settings.teacher_temperature
    until = round(settings.teacher_temperature_rise * steps)
    return rising(settings.teacher_temperature_start, settings.teacher_temperature, step, until)
