"""The log of a stage: a progress bar, ``metrics.jsonl``, and TensorBoard files."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from babyvlm.errors import TrainingError
from babyvlm.progress import progress


class Journal:
    """Keeps a stage's figures.

    Args:
        stage: Its name.
        steps: How many it will take.
        tensorboard: Folder of the TensorBoard files.
        every: Steps between two lines.
        done: Steps taken before an interruption.
        seconds: Time they took.
        log: The lines they left.
        silent: Neither draw the bar nor write TensorBoard files: another process does.
    """

    def __init__(
        self,
        stage: str,
        steps: int,
        tensorboard: Path,
        every: int,
        *,
        done: int = 0,
        seconds: float = 0.0,
        log: str = "",
        silent: bool = False,
    ) -> None:
        self._every, self._steps, self._stage = every, steps, stage
        self._lines = log.splitlines()
        self._writer = None if silent else SummaryWriter(str(tensorboard / stage))
        self._bar = progress(description=f"train {stage}", total=steps, unit="step", silent=silent)
        self._bar.update(done)
        self._began_s = time.monotonic() - seconds
        self._samples = self._tokens = 0
        self._since_s = time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return time.monotonic() - self._began_s

    @property
    def log(self) -> str:
        """The lines so far, as JSON lines."""
        return "".join(f"{line}\n" for line in self._lines)

    def step(self, step: int, *, samples: int, tokens: int, **figures: float) -> None:
        """Records one finished step.

        Raises:
            TrainingError: The loss is not a finite number.
        """
        self._samples, self._tokens = self._samples + samples, self._tokens + tokens
        if not math.isfinite(figures["loss"]):
            self.close()
            raise TrainingError(
                f"the loss of the {self._stage} stage became {figures['loss']} at step {step}. "
                f"Lower {self._stage}.optimisation.learning_rate, or raise its warmup_fraction"
            )
        self._bar.update(1)
        if step % self._every and step != self._steps:
            return
        now_s = time.monotonic()
        elapsed_s = max(now_s - self._since_s, 1e-9)
        line = {"step": step, **figures, "seconds": round(self.seconds, 2)}
        line |= {"samples_per_s": round(self._samples / elapsed_s, 1), "tokens_per_s": round(self._tokens / elapsed_s)}
        self._samples, self._tokens, self._since_s = 0, 0, now_s
        self._lines.append(json.dumps(line))
        if self._writer is not None:
            for name in line.keys() - {"step"}:
                self._writer.add_scalar(name, line[name], step)
        self._bar.set_postfix_str(f"loss {figures['loss']:.3f}, {line['tokens_per_s']:,} tok/s", refresh=False)

    def close(self) -> None:
        """Closes the bar and the TensorBoard files."""
        self._bar.close()
        if self._writer is not None:
            self._writer.close()
