"""Starts processes as torchrun does, on one machine that stands for one or several."""

import os
import signal
import socket
import subprocess
import sys

from babyvlm.training import checkpoints


def kill_at(number):
    """Kills this process as soon as it has written so many checkpoints; never where it is 0."""
    real, saved = checkpoints.write_pieces, []

    def write_pieces(path, pieces):
        saved.append(path)
        real(path, pieces)
        if len(saved) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoints.write_pieces = write_pieces


RUN = """
import runpy, sys
from babyvlm.training import end_at_once
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
end_at_once()
"""


def start_ranks(script, *arguments, nodes=1, local=2, **environment):
    """Runs a script in ``nodes`` times ``local`` processes; returns what each said, once all have ended.

    An argument may be a function of the node's number. A process that fails has the others end with it.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = []
    for rank in range(nodes * local):
        node, local_rank = divmod(rank, local)
        known = os.environ | {
            "RANK": str(rank), "LOCAL_RANK": str(local_rank), "GROUP_RANK": str(node),
            "WORLD_SIZE": str(nodes * local), "LOCAL_WORLD_SIZE": str(local), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        known |= {name: str(value(node) if callable(value) else value) for name, value in environment.items()}
        given = [str(each(node) if callable(each) else each) for each in arguments]
        command = [sys.executable, "-c", RUN, str(script), *given]
        started.append(subprocess.Popen(command, env=known, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    ended = []
    for process in started:
        out, err = process.communicate(timeout=240)
        ended.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
        if process.returncode:
            for other in started:
                if other.poll() is None:
                    other.kill()
    return ended
