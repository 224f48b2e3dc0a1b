"""The guide for clusters: what it tells to type makes a job script."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from babyvlm.cli import main

GUIDE = (Path(__file__).parents[1] / "docs" / "clusters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.S)


@pytest.mark.parametrize(
    ("block", "asks_for"), list(zip(BLOCKS, ["#SBATCH -t 12:00:00", "#$ -l h_rt=12:00:00"], strict=True))
)
def test_a_job_script_is_written(block: str, asks_for: str) -> None:
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed: pip install 'babyvlm[cluster]'")
    made: dict = {}
    setup = block.split("cluster.scale")[0].replace('memory="2GB",', 'memory="2GB", interface="lo",')
    exec(setup, made)  # nothing is submitted
    with made["cluster"] as cluster:
        script = cluster.job_script()
    assert asks_for in script and "source /shared/babyvlm/.venv/bin/activate" in script
    assert "--nthreads 1" in script and "dask" in script


def test_the_command_of_the_guide_parses() -> None:
    (command,) = re.findall(r"^babyvlm curate .*$", GUIDE, re.M)
    with pytest.raises(SystemExit) as stopped:
        main(shlex.split(command)[1:])
    assert stopped.value.code == 2
