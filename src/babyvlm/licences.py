"""What a licence lets out of this machine: the one place that decides.

    restricted ...     gated material (SAYCam, BabyView, Ego4D): never leaves by accident
    unknown, or none   treated the same, until somebody declares a licence
    anything else      may leave; what leaves is reported

A licence is free text. It is decided file by file, travels with everything made of the file, and what is made of
several files is under all of their licences.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from babyvlm.errors import ConfigError
from babyvlm.records import Item

UNKNOWN = "unknown"
OWN_PHOTOGRAPHS = "not declared (photographs given with --images)"
"""Of photographs of which nobody says more. They are the user's own, so they are not held up."""
HOW_TO_DECLARE = (
    "Where the licence is unknown, declare it and build again: in the column licence of recordings.csv for a corpus, "
    "with --licence for photographs and imported items"
)
_UNDECLARED = {"", UNKNOWN, "none", "n/a", "na", "?", "tbd", "undeclared", "not declared"}
_RESTRICTED = re.compile(r"\brestricted\b")
_AND = " and "


def is_undeclared(licence: str) -> bool:
    """Whether nobody has said what the licence is.

    >>> is_undeclared("unknown"), is_undeclared(" "), is_undeclared("CC0")
    (True, True, False)
    """
    return licence.strip().casefold() in _UNDECLARED


def is_restricted(licence: str) -> bool:
    """Whether material of this licence must not leave by accident.

    >>> [is_restricted(one) for one in ("restricted: SAYCam", "SAYCam (Restricted)", "unknown", "", "CC0 and unknown")]
    [True, True, True, True, True]
    >>> [is_restricted(one) for one in ("CC0", "unrestricted", OWN_PHOTOGRAPHS)]
    [False, False, False]
    """
    return any(is_undeclared(part) or _RESTRICTED.search(part.casefold()) for part in licence.split(_AND))


def joint_licence(licences: Iterable[str]) -> str:
    """One licence for what is made of several things: the restricted ones where there are any, otherwise all.

    >>> joint_licence({"CC0", "restricted: SAYCam"}), joint_licence({"CC0", "CC BY"})
    ('restricted: SAYCam', 'CC BY and CC0')
    """
    named = sorted({part for licence in licences for part in licence.split(_AND)})
    return _AND.join([licence for licence in named if is_restricted(licence)] or named) or UNKNOWN


def remedy(licences: Iterable[str]) -> str:
    """What to do where material of these licences was kept back."""
    asked = "Add --i-may-share restricted if your agreement allows it"
    return f"{asked}. {HOW_TO_DECLARE}" if any(map(is_undeclared, licences)) else asked


def refuse_restricted(items: Sequence[Item], who: str) -> None:
    """Refuses to let restricted items out.

    Args:
        items: All that would leave.
        who: Who would get them, and how, as a clause: ``"gpt-5 sends them out"``.

    Raises:
        ConfigError: Some of them may not leave; it says how many, of which licence and sources.
    """
    restricted = [item for item in items if is_restricted(item.licence)]
    sources: dict[str, set[str]] = {}
    for item in restricted:
        shown = {origin.source for turn in item.turns for origin in turn.origins} - {"synthetic"}
        sources.setdefault(item.licence, set()).update(shown)
    refuse_licences(Counter(item.licence for item in restricted), "items", who, total=len(items), sources=sources)


def refuse_licences(
    counts: Mapping[str, int],
    what: str,
    who: str,
    *,
    total: int | None = None,
    sources: Mapping[str, Iterable[str]] | None = None,
) -> None:
    """Refuses to let things of these licences out, where any of them is restricted.

    Args:
        counts: How many things there are of each licence.
        what: The things, in the plural.
        who: Who would get them, and how, as a clause.
        total: Of how many; the sum of ``counts`` when absent.
        sources: Recordings or photographs of each licence.

    Raises:
        ConfigError: Some of them may not leave.
    """
    restricted = {licence: count for licence, count in sorted(counts.items()) if is_restricted(licence)}
    if not restricted:
        return
    named = []
    for licence, count in restricted.items():
        shown = sorted((sources or {}).get(licence, ()))
        first = ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")
        named.append(
            f"{licence or UNKNOWN}: {count} {what}" + (f" from {len(shown)} sources, {first}" if shown else "")
        )
    held = sum(restricted.values())
    raise ConfigError(
        f"{held} of {total or sum(counts.values())} {what} hold pictures that may not leave this machine "
        f"({'; '.join(named)}), and {who}. Nothing was sent. {remedy(restricted)}"
    )


def summary(licences: Iterable[str]) -> str:
    """How many things there are of each licence, in words.

    >>> summary(["CC0", "CC0", "unknown"])
    '2 CC0, 1 unknown'
    """
    return ", ".join(f"{count} {licence}" for licence, count in sorted(Counter(licences).items()))
