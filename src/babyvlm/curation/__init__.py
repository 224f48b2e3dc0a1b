"""From a corpus to a pretraining set: utterances, clips, frames, and training records in three formats."""

from babyvlm.curation.alignment import Aligner, NoAligner
from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.pipeline import curate
from babyvlm.curation.sets import PretrainingSet, read_conversations, write_conversations

__all__ = [
    "Aligner",
    "CurationConfig",
    "NoAligner",
    "PretrainingSet",
    "curate",
    "read_conversations",
    "write_conversations",
]
