"""Probes: what a vision tower tells apart on labelled pictures, and which of two sentences a language model finds
likelier, beside what nobody had to learn.

    LABEL/*.jpg ──┬── tower ────────────┐
                  ├── tower as drawn ───┤                 k nearest neighbours ─┐
                  ├── pixels ───────────┼── features ──┬── linear ──────────────┼── accuracy with interval, probe.json
                  └── colours ──────────┘              └── ABX ─────────────────┘
    the same pictures as silhouettes, blurred, without parts ── told by what was learned from whole ones

    pairs of sentences ── model, model as drawn, word counts ── log-likelihoods ── syntax, semantics, probe.json

As EgoBabyVLM (2026) and earlier work on towers trained on what children see probe them; nothing of a model learns.
"""

from babyvlm.probing.configuration import ProbeConfig, SentenceProbeConfig
from babyvlm.probing.sentence_tables import LanguageFigures, SentenceRow, SentencesProbed
from babyvlm.probing.tables import Probed, ProbeRow

__all__ = [
    "LanguageFigures",
    "ProbeConfig",
    "ProbeRow",
    "Probed",
    "SentenceProbeConfig",
    "SentenceRow",
    "SentencesProbed",
]
