"""Decoding of video and sound with PyAV: one pass from front to back, never a seek per frame.

    clock.py      one clock for all of a file               moments of frames, of sound and of transcripts
    shown.py      stored pixels --> the picture as shown    pixel aspect, rotation, mirroring
    headers.py    what a file says of itself
    timeline.py   when its frames are shown, undecoded      gaps, a missing end
    damage.py     what does not decode
    disposable.py what no other picture refers to
    frames.py     the frame on screen at each moment
    sound.py      samples for recognisers of speech

The clock of a file begins where the earliest of its streams begins, as in every player. Frames, sound, boxes and
transcripts are all on it, so that words meet the picture also where sound and picture begin at different times, where a
file's first time stamp is not zero, and where an edit list delays a stream.
"""

from babyvlm.media.damage import Damage
from babyvlm.media.frames import find_damage, frames_at
from babyvlm.media.headers import MediaInfo, probe
from babyvlm.media.shown import Orientation, scaled_size
from babyvlm.media.sound import SOUND_RATE, sound_blocks
from babyvlm.media.timeline import Timeline, read_timeline

__all__ = [
    "SOUND_RATE",
    "Damage",
    "MediaInfo",
    "Orientation",
    "Timeline",
    "find_damage",
    "frames_at",
    "probe",
    "read_timeline",
    "scaled_size",
    "sound_blocks",
]
