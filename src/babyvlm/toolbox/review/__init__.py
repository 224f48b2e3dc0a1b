"""People look through items before they are used: decisions are a file, applied at build."""

from babyvlm.toolbox.review.decisions import Decision, Decisions, Reviewed, Verdict, apply_decisions, read_decisions

__all__ = ["Decision", "Decisions", "Reviewed", "Verdict", "apply_decisions", "read_decisions"]
