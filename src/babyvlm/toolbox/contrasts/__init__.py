"""Contrasts: trials of pictures and captions that differ in one thing, in words that the model was trained on.

    training set ── words and how often each was said ─┐
    the nursery's drawings, labelled pictures ─────────┴── contrasts ── items ── lexical, grammatical, overall

As the Machine-DevBench of EgoBabyVLM (2026, arXiv 2605.19130): nouns and adjectives in log2 bins of frequency, and
eight kinds of grammar. Its published trials are imported as the battery ``machine-devbench`` (``reading.py``);
``build.py`` makes trials of a training set's own vocabulary, as those are meant to be. ``figures.py`` puts the figures
of both together in the published way.
"""

from babyvlm.toolbox.contrasts.configuration import ContrastConfig
from babyvlm.toolbox.contrasts.figures import ContrastScores, contrast_scores

__all__ = ["ContrastConfig", "ContrastScores", "contrast_scores"]
