"""Everybody can look inside: recordings, utterances, pairs, sequences, items and replies in a browser.

    folder ──> sources ──> index (SQLite with full text, made once) ──> pages       babyvlm explore PATH

Pages are made on the server, a few records at a time, so that a set of hundreds of thousands opens as fast as a small
one.
"""

from babyvlm.explorer.sources import Sources, find_sources

__all__ = ["Sources", "find_sources"]
