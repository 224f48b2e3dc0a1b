"""Every node trains on the right pictures, also where nodes see a shared disk with caches of their own (claim: of 400
pictures 0 are wrong on either of two nodes; a table mapped and written by both had 199 of 200 of the other's black).

    python benchmarks/nodes.py [--pictures 400]

Two processes that ``torchrun`` would start on two machines get a mount each of one folder. Each mount (bindfs, which
must be installed and may need root) has a page cache of its own, as two clients of a network file system have. A run
with its cache on that folder, by mistake, is the hard case; a cache of each node's own is the usual one.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.training.ranks import start_ranks
from tests.training.test_pictures import NODES, noise

RESULTS = Path(__file__).parent / "results"


@contextlib.contextmanager
def mounts(folder: Path, count: int) -> Iterator[list[Path]]:
    """One folder, mounted several times."""
    (folder / "shared").mkdir()
    made = []
    try:
        for number in range(count):
            mount = folder / f"mount{number}"
            mount.mkdir()
            subprocess.run(["bindfs", "-o", "kernel_cache", str(folder / "shared"), str(mount)], check=True)
            made.append(mount)
        yield made
    finally:
        for mount in made:
            subprocess.run(["fusermount", "-u", "-z", str(mount)], check=False)


def wrong(folder: Path, pictures: int, caches: list[Path]) -> dict[str, int]:
    """Wrong pictures of each node."""
    store = folder / "images"
    if not store.exists():
        noise(store, pictures)
    script = folder / "node.py"
    script.write_text(NODES, encoding="utf-8")
    ended = start_ranks(script, store, lambda node: caches[node], nodes=2, local=1)
    for each in ended:
        if each.returncode:
            raise SystemExit(each.stderr[-3000:])
    said = [each.stdout.split("wrong")[-1].split() for each in ended]
    return {f"node {words[-1]}": int(words[0]) for words in said}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400)
    options = parser.parse_args()
    if shutil.which("bindfs") is None:
        raise SystemExit("bindfs is not installed")
    result = {"date": str(datetime.date.today()), "machine": platform.platform(), "pictures": options.pictures}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with mounts(folder, 2) as mounted:
            result["wrong, one folder mounted twice"] = wrong(folder, options.pictures, [m / "cache" for m in mounted])
        own = [folder / "own0", folder / "own1"]
        result["wrong, a folder each"] = wrong(folder, options.pictures, own)
    print(json.dumps(result, indent=1))
    path = RESULTS / f"nodes-{datetime.date.today()}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(sum(each.values()) for name, each in result.items() if name.startswith("wrong")))


if __name__ == "__main__":
    main()
