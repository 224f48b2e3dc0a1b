"""The simulated nursery: a corpus of real video files that anybody may have."""

from babyvlm.corpus.nursery.configuration import NurseryConfig
from babyvlm.corpus.nursery.render import render_nursery

__all__ = ["NurseryConfig", "render_nursery"]
