"""What one process does alone may take longer than exchanges of gradients may, and a process that is gone is told."""

import json

import pytest

from tests.training.ranks import start_ranks

WAITS = """
import datetime, json, os, signal, sys, time
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from babyvlm.training.nodes import decided, decided_by_node, everywhere, is_of_a_lost_process, wait_for_all
limit = InitProcessGroupKwargs(timeout=datetime.timedelta(seconds=2))
accelerator = Accelerator(cpu=True, kwargs_handlers=[limit])
accelerator.wait_for_everyone()
rank = accelerator.process_index
def look():
    if sys.argv[1] == "killed":
        time.sleep(600)
    time.sleep(4)
    return "found"
if sys.argv[1] == "killed" and rank == 1:
    decided(accelerator, lambda: 1)
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "killed":
    decided(accelerator, lambda: 1)
    try:
        wait_for_all(accelerator)
    except RuntimeError as error:
        print(json.dumps(is_of_a_lost_process(error)))
        os._exit(0)
found = [decided(accelerator, look), decided_by_node(accelerator, look)]
everywhere(accelerator, look if rank else lambda: None)
if rank:
    look()
wait_for_all(accelerator)
print(json.dumps(found))
"""


@pytest.mark.parametrize("how", ["slow", "killed"])
def test_processes_wait_beyond_the_limit_of_exchanges_but_for_no_lost_one(how, tmp_path):
    script = tmp_path / "waits.py"
    script.write_text(WAITS)
    first, other = start_ranks(script, how)
    assert first.returncode == 0, first.stderr[-2000:]
    said = json.loads(first.stdout)
    if how == "killed":
        assert said is True and other.returncode == -9
    else:
        assert said == ["found", "found"] and json.loads(other.stdout) == said
