"""A respondent's figures for the options of a round, as a reply keeps them.

    log-probabilities of each option's tokens ── sums, means, prompt-corrected sums ─┐
    cosines ── logits on the model's own scale ──────────────────────────────────────┼── OptionScores
    an API's likeliest first tokens ── log-probability of each option ───────────────┘

Kept with six decimals: what differs by less is a tie.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from babyvlm.records import OptionScores, ScoreKind

_DECIMALS = 6


def likelihood_scores(
    sums: Sequence[float], lengths: Sequence[int], alone: Sequence[float | None] = ()
) -> OptionScores | None:
    """The three readings of log-likelihoods.

    Args:
        sums: Of each option's tokens, nats.
        lengths: Tokens of each option.
        alone: The same sums without pictures, question and earlier rounds; empty, or None for one, where the model
            cannot say.

    Returns:
        None where a sum is not finite, as of an option without tokens.

    >>> likelihood_scores([-1.0, -4.0], [1, 2], [-0.5, -5.0])
    OptionScores(kind='log-likelihood', sums=(-1.0, -4.0), means=(-1.0, -2.0), corrected=(-0.5, 1.0))
    """
    if not all(map(math.isfinite, sums)):
        return None
    known = [value for value in alone if value is not None and math.isfinite(value)]
    corrected = [value - other for value, other in zip(sums, known, strict=True)] if len(known) == len(sums) else []
    return OptionScores(
        kind="log-likelihood",
        sums=_rounded(sums),
        means=_rounded([value / length for value, length in zip(sums, lengths, strict=True)]),
        corrected=_rounded(corrected),
    )


def plain_scores(kind: ScoreKind, values: Sequence[float]) -> OptionScores:
    """Figures of one reading alone; ValueError where one is not finite."""
    return OptionScores(kind=kind, sums=_rounded(values))


def first_token_scores(likeliest: Mapping[str, float], options: Sequence[str]) -> OptionScores | None:
    """Log-probabilities of options by the first token of a reply, where each option has a first token of its own.

    A token speaks for the option that it spells, or that it alone begins; tokens that differ in blanks and case alone
    are added up. A token that begins several options, and spells none of them, speaks for none.

    Args:
        likeliest: The likeliest first tokens, as text, with their log-probabilities, nats.
        options: The round's options.

    Returns:
        None where an option has no token among the likeliest: how likely it is, is not known then.

    >>> first_token_scores({"B": -0.1, " B": -3.0, "A": -2.5, "The": -6.0}, ["A", "B"]).sums
    (-2.5, -0.046437)
    >>> first_token_scores({"top": -0.1, "left": -2.0}, ["top left", "top right"])
    """
    shares: dict[str, float] = {}
    wanted = {option.casefold(): option for option in options}
    for token, log in likeliest.items():
        said = token.strip().casefold()
        begun = [option for folded, option in wanted.items() if said and folded.startswith(said)]
        spoken = wanted.get(said) or (begun[0] if len(begun) == 1 else None)
        if spoken is not None:
            shares[spoken] = shares.get(spoken, 0.0) + math.exp(log)
    if len(wanted) < len(options) or any(shares.get(option, 0.0) <= 0 for option in options):
        return None
    return plain_scores("log-likelihood", [math.log(shares[option]) for option in options])


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(value), _DECIMALS) + 0.0 for value in values)  # + 0.0, or a zero may be written -0.0
