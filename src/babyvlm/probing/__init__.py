"""Probes: what a vision tower tells apart on labelled pictures, beside features that nobody had to learn.

    LABEL/*.jpg ──┬── tower ────────────┐
                  ├── tower as drawn ───┤                 k nearest neighbours ─┐
                  ├── pixels ───────────┼── features ──┬── linear ──────────────┼── accuracy with interval, probe.json
                  └── colours ──────────┘              └── ABX ─────────────────┘
    the same pictures as silhouettes, blurred, without parts ── told by what was learned from whole ones

As EgoBabyVLM (2026) and earlier work on towers trained on what children see probe them; nothing of the tower learns.
"""

from babyvlm.probing.configuration import ProbeConfig
from babyvlm.probing.tables import Probed, ProbeRow

__all__ = ["ProbeConfig", "ProbeRow", "Probed"]
