"""The report: saved runs in, one self-contained page out. It needs neither torch nor a model."""

from babyvlm.reports.report import write_report

__all__ = ["write_report"]
