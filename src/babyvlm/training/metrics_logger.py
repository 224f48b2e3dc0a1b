"""The metrics logger of a stage: progress bar, ``metrics.jsonl`` and trackers; stops a stage that diverges."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from typing import NoReturn

from babyvlm.errors import TrainingError
from babyvlm.progress import progress
from babyvlm.training.checkpoints import ResumePoint
from babyvlm.training.trackers import Tracker

_SMOOTHING = 0.1
"""Weight of a step in the moving average of the loss."""
_DIVERGED = 1.5
"""The average loss, as a multiple of that of guessing or of the first step's, at which training has diverged."""


class MetricsLogger:
    """Logs the metrics of a stage.

    Args:
        stage: Its name.
        steps: Total number of steps.
        every: Number of steps between two lines.
        trackers: Optional loggers in addition to the log.
        uniform_loss: The loss of a uniform guess.
        peak_flops: Peak FLOP/s of all devices together.
        begin: The point that an interrupted stage resumes from.
        silent: Draw no progress bar, because another process does.
    """

    def __init__(
        self,
        stage: str,
        steps: int,
        every: int,
        *,
        trackers: Sequence[Tracker] = (),
        uniform_loss: float,
        peak_flops: float,
        begin: ResumePoint,
        silent: bool = False,
    ) -> None:
        self._every, self._steps, self._stage = every, steps, stage
        self._lines = begin.log.splitlines()
        self._trackers = trackers
        self._bar = progress(description=f"train {stage}", total=steps, unit="step", silent=silent)
        self._bar.update(begin.step)
        self._done = begin.step
        self._began_s = time.monotonic() - begin.seconds
        self._samples = self._tokens = 0
        self._flops = self._waited_s = 0.0
        self._since_s = time.monotonic()
        self._peak_flops, self._highest_loss = peak_flops, _DIVERGED * uniform_loss
        self._average_loss: float | None = None

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return time.monotonic() - self._began_s

    @property
    def log(self) -> str:
        """The lines so far, as JSON lines."""
        return "".join(f"{line}\n" for line in self._lines)

    @property
    def point(self) -> ResumePoint:
        """Where the stage stands after the last finished step."""
        return ResumePoint(step=self._done, seconds=self.seconds, log=self.log)

    def check(self, step: int, *, loss: float, gradient_norm: float) -> None:
        """Looks at a step before the optimizer takes it, so that no bad one reaches the weights or a checkpoint.

        Raises:
            TrainingError: A figure is not finite, or the loss has diverged.
        """
        for name, value in (("loss", loss), ("gradient norm", gradient_norm)):
            if not math.isfinite(value):
                self._stop_rate(f"the {name} of the {self._stage} stage became {value} at step {step}")
        if self._average_loss is None:
            self._average_loss = loss
            self._highest_loss = max(
                self._highest_loss, _DIVERGED * loss
            )  # freshly drawn weights may be worse than guessing
        self._average_loss += _SMOOTHING * (loss - self._average_loss)
        if self._average_loss > self._highest_loss:
            self._stop_rate(
                f"the {self._stage} stage diverged: at step {step} its average loss is {self._average_loss:.2f}, "
                f"above {self._highest_loss:.2f}, {_DIVERGED} times that of guessing or of the first step"
            )

    def _stop_rate(self, problem: str) -> NoReturn:
        self.stop(problem, f"Lower {self._stage}.optimisation.learning_rate, or raise its warmup_fraction")

    def stop(self, problem: str, remedy: str) -> NoReturn:
        """Ends the stage with a sentence on what is wrong and what to change.

        Raises:
            TrainingError: Always.
        """
        self.close()
        raise TrainingError(f"{problem}. {remedy}; a recipe so changed needs another --out")

    def step(
        self,
        step: int,
        *,
        samples: int,
        tokens: int,
        flops: float = 0.0,
        waited_s: float = 0.0,
        kept: bool = False,
        **figures: float,
    ) -> None:
        """Records one finished step.

        Args:
            step: Its number, counted from 1.
            samples: Number of samples in the step.
            tokens: Number of tokens in the step.
            flops: Floating-point operations of the step, over all processes.
            waited_s: Time spent waiting for inputs, in seconds.
            kept: Write a line even where none is due.
            **figures: Further metrics of the line.
        """
        self._samples, self._tokens, self._flops = self._samples + samples, self._tokens + tokens, self._flops + flops
        self._waited_s += waited_s
        self._bar.update(1)
        self._done = step
        if step % self._every and step != self._steps and not kept:
            return
        now_s = time.monotonic()
        elapsed_s = max(now_s - self._since_s, 1e-9)
        line = {"step": step, **figures, "seconds": round(self.seconds, 2)}
        line["data_wait"] = round(self._waited_s / elapsed_s, 4)
        line |= {"samples_per_s": round(self._samples / elapsed_s, 1), "tokens_per_s": round(self._tokens / elapsed_s)}
        shown = f"loss {figures['loss']:.3f}, {line['tokens_per_s']:,} tok/s"
        if self._flops:
            mfu = round(self._flops / elapsed_s / self._peak_flops, 4)
            line["flop_use"] = mfu
            shown += f", {mfu:.0%} of peak FLOP/s"
        self._samples, self._tokens, self._flops, self._waited_s, self._since_s = 0, 0, 0.0, 0.0, now_s
        self._lines.append(json.dumps(line))
        for tracker in self._trackers:
            tracker.add(step, {name: value for name, value in line.items() if name != "step"})
        self._bar.set_postfix_str(shown, refresh=False)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """What is done within it counts as training time, and not towards the speeds."""
        began_s = time.monotonic()
        yield
        self._since_s += time.monotonic() - began_s

    def close(self) -> None:
        """Closes the bar and the trackers."""
        self._bar.close()
        for tracker in self._trackers:
            tracker.close()
