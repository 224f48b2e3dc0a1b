"""A corpus layout: recordings named ``hc-<child>-<age in days>d-<number>``, as in ``hc-mia-412d-03.mp4``."""

from __future__ import annotations

import re

from babyvlm.corpus.layouts import DAYS_PER_MONTH, CorpusLayout, NameFacts

_NAME = re.compile(r"hc-(?P<child>[a-z]+)-(?P<days>\d+)d-\d+")


def read_name(stem: str) -> NameFacts | None:
    """Child and age; None where a file is not named that way."""
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    return NameFacts(child=match["child"], age_months=round(int(match["days"]) / DAYS_PER_MONTH, 2))


HOMECAM = CorpusLayout(read_name=read_name, licence="restricted: Homecam", example="hc-mia-412d-03")
