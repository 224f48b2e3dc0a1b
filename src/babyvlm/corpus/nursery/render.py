"""Renders the simulated nursery: a corpus of head-camera recordings, laid out like a provider's.

    NurseryConfig ──plan──> recordings ──Director──> episodes ──┬──paint───> S_20140320_1703_01.mp4
                                                                ├──converse─> S_20140320_1703_01.vtt
                                                                └──boxes────> S_20140320_1703_01.boxes.json

Stands in for SAYCam where nobody has access to it (ours; the paper has no simulation). Each recording follows from the
seed and its plan alone, so that the number of workers does not show.
"""

from __future__ import annotations

import concurrent.futures
import csv
import dataclasses
import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from babyvlm.corpus.nursery.configuration import LICENCE, NurseryConfig, RecordingPlan, plan_recordings
from babyvlm.errors import MissingExtraError
from babyvlm.executors import process_pool
from babyvlm.folders import Manifest, fresh_folder
from babyvlm.progress import progress

if TYPE_CHECKING:
    from babyvlm.corpus.nursery.filming import RecordingCounts


def render_nursery(config: NurseryConfig, out: Path, workers: int = 0) -> None:
    """Renders a nursery into a folder.

    Args:
        config: What to render.
        out: Where it goes; must be absent or empty.
        workers: Processes; 0 for one on each core.

    Raises:
        OutputExistsError: ``out`` holds something.
        ConfigError: The speech engine asked for is not installed.
        MissingExtraError: Skia, which draws it, is not installed.
    """
    # Here rather than above: the settings of the nursery can be listed without what draws it.
    try:
        from babyvlm.corpus.nursery.filming import render_recording
        from babyvlm.corpus.nursery.voice import choose_engine
    except ModuleNotFoundError as error:
        if error.name != "skia":
            raise
        raise MissingExtraError("Rendering the simulated nursery", "render") from error
    engine = choose_engine(config)
    plans = plan_recordings(config)
    with fresh_folder(out) as folder:
        for child in sorted({plan.child for plan in plans}):
            (folder / child).mkdir()
        film = functools.partial(render_recording, config, folder=folder, engine=engine)
        filmed = _filmed(film, plans, workers)
        totals: Counter[str] = Counter()
        for counts in progress(filmed, description="nursery", total=len(plans), unit="recording"):
            totals.update(dataclasses.asdict(counts))
        with (folder / "recordings.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("recording", "child", "age_months", "date", "split", "licence"))
            for plan in plans:
                table.writerow((plan.id, plan.child, plan.age_months, plan.date.isoformat(), plan.split, LICENCE))
        Manifest(
            kind="corpus",
            configuration=dataclasses.asdict(config),
            counts={"recordings": len(plans), **totals},
            notes=[f"speech: {engine}"],
        ).write(folder)


def _filmed(
    film: Callable[[RecordingPlan], RecordingCounts], plans: list[RecordingPlan], workers: int
) -> Iterator[RecordingCounts]:
    with process_pool(workers or os.cpu_count() or 1, len(plans)) as executor:
        if executor is None:
            yield from map(film, plans)
            return
        jobs = [executor.submit(film, plan) for plan in plans]
        try:
            for job in concurrent.futures.as_completed(jobs):
                yield job.result()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
