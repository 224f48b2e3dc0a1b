"""Checkpoints as others made them or will take them: published weights converted, and the card beside our own.

published checkpoint ── convert ──> checkpoint folder <── model card ── babyvlm train
"""
