"""Audits of a benchmark: what gives its answers away without looking at what is asked.

toolbox folder ──> answer balance, duplicates, overlap with training
               ──> strategies that never look at what is asked ──> score, interval, corrected p
                                                              ──> a verdict for each sub-task, audit.json, audit.html
"""

from babyvlm.audits.audit import AuditConfig, audit_items, audit_toolbox, write_audit
from babyvlm.audits.page import render_page
from babyvlm.audits.records import Audit, RowAudit, StrategyScore, Verdict

__all__ = [
    "Audit",
    "AuditConfig",
    "RowAudit",
    "StrategyScore",
    "Verdict",
    "audit_items",
    "audit_toolbox",
    "render_page",
    "write_audit",
]
