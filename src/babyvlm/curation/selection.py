"""From scored candidates to what is kept: thresholds, sharpness, near duplicates. Section 3 of the paper.

    candidates --min_clip_alignment--> clips --min_frame_alignment, min_sharpness, duplicate_bits--> frames

Everything left out is counted by its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from babyvlm.curation.candidates import Candidate, CandidateFrame
from babyvlm.curation.configuration import CurationConfig
from babyvlm.curation.formats import KeptClip, KeptFrame
from babyvlm.curation.frames import differing_bits

NEAR_DUPLICATE_BITS = 3
"""Differing bits of two perceptual hashes up to which frames count as near duplicates in the manifest (ours)."""


def select(
    candidates: Iterable[Candidate], config: CurationConfig
) -> tuple[list[KeptClip], Counter[str], Counter[str]]:
    """Selects the clips and frames of one recording.

    Returns:
        The kept clips, by start; how many clips and frames were left out, by reason; and counts of what was found.
    """
    kept: list[KeptClip] = []
    skipped: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for candidate in candidates:
        if candidate.score is not None and candidate.score <= config.min_clip_alignment:
            skipped["clip below the alignment threshold"] += 1
            continue
        frames = _select_frames(candidate, config, skipped, found)
        if frames:
            kept.append(KeptClip(clip=candidate.clip, frames=frames))
        else:
            skipped["clip without a frame"] += 1
    return kept, skipped, found


def _select_frames(
    candidate: Candidate, config: CurationConfig, skipped: Counter[str], found: Counter[str]
) -> tuple[KeptFrame, ...]:
    stem = candidate.clip.stem(candidate.recording)
    kept: list[CandidateFrame] = []
    for frame in candidate.frames:
        nearest = min((differing_bits(frame.looks, earlier.looks) for earlier in kept), default=64)
        found["frames much like an earlier one of their clip"] += nearest <= NEAR_DUPLICATE_BITS
        if frame.sharpness < config.min_sharpness:
            skipped["frame below the sharpness threshold"] += 1
        elif frame.score is not None and frame.score <= config.min_frame_alignment:
            skipped["frame below the alignment threshold"] += 1
        elif nearest <= config.duplicate_bits:
            skipped["frame much like an earlier one of its clip"] += 1
        else:
            kept.append(frame)
    return tuple(
        KeptFrame(
            id=f"{stem}_frame_{frame.number}",
            image=frame.image,
            score=frame.sharpness if frame.score is None else frame.score,
        )
        for frame in kept
    )
