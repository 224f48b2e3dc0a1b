"""How fast this processor multiplies matrices in bfloat16 and in float32.

Claim: where bfloat16 is computed in software, training computes in float32 (babyvlm/training/precision.py).
"""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path

import torch

from babyvlm.training.precision import cpu_has_bf16

THREADS = (1, 2)
SIDE, TRIES = 512, 3


def gflops(dtype: torch.dtype) -> float:
    """The fastest of a few products, the first one aside, which makes the kernel ready."""
    a, b = (torch.randn(SIDE, SIDE).to(dtype) for _ in range(2))
    a @ b
    taken_s = []
    for _ in range(TRIES):
        began_s = time.perf_counter()
        a @ b
        taken_s.append(time.perf_counter() - began_s)
    return 2 * SIDE**3 / min(taken_s) / 1e9


def main() -> None:
    found: dict[str, object] = {
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "has_bf16_instructions": cpu_has_bf16(),
    }
    for threads in THREADS:
        torch.set_num_threads(threads)
        half, full = gflops(torch.bfloat16), gflops(torch.float32)
        found[f"{threads}_threads"] = {
            "bfloat16_gflops": round(half, 2),
            "float32_gflops": round(full, 1),
            "float32_is_faster_by": round(full / half, 2),
        }
    text = json.dumps(found, indent=2)
    path = Path(__file__).parent / "results" / f"cpu_bfloat16-{datetime.date.today()}.json"
    path.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
