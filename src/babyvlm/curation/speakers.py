"""Who speaks, by what transcripts call them: the child who wears the camera, caregivers, other children, machines.

Known are the codes and roles of CHAT (MOT, Target_Child), the ACLEW scheme for ELAN (FA1, UC2), LENA (FAN, KCHI),
voice type classifiers (FEM, MAL), and everyday words for kin. Labels of diarisation (``SPEAKER_00``, ``Guest-1``) say
nothing of who it is.
"""

from __future__ import annotations

import re
from typing import Literal

Who = Literal["own", "caregiver", "other child", "device", "unlabelled", "unrecognised"]

_PATTERNS: tuple[tuple[Who, re.Pattern[str]], ...] = tuple(
    (who, re.compile(pattern))  # type: ignore[misc]
    for who, pattern in (
        ("own", r"chi|target child|key child|kchi|chn|baby|infant|child"),
        (
            "other child",
            r"[fmu]c\d*|cxn|cxf|och|oc\d|bro\d*|sis\d*|sib\d*|brother|sister|sibling|other child|playmate|friend|cousin"
            r"|boy|girl|boys|girls|children|toddler",
        ),
        (
            "device",
            r"ee\d*|ele|tvn|tvf|oln|olf|non|nof|noise|silence|sil|tv|television|radio|toy|media|electronic|electronics"
            r"|environment|media vocalization|recording|phone",
        ),
        (
            "caregiver",
            r"[fmu]a\d*|fan|man|faf|maf|fem|mal|mot|fat|grm|grf|gra|gma|gpa|gmot|gfat|aun|unc|adu|nan|par|tea|inv|exp"
            r"|mother|mom|mommy|mama|mum|mummy|father|dad|daddy|papa|parent|grand(?:mother|father|ma|pa|parent)"
            r"|grandad|granddad|granny|aunt|uncle|adult|female adult|male adult|female|male|woman|man|nanny"
            r"|caregiver|caretaker|babysitter|sitter|teacher|investigator|experimenter|visitor|relative|narrator",
        ),
        ("unlabelled", r"|(?:speaker|spk|guest|s|voice|person|unknown)[ -]?\d*|un|unk|uu\d*|participant"),
    )
)


def who_speaks(label: str, child: str) -> Who:
    """What kind of speaker a label stands for.

    Args:
        label: As the transcript has it, in any case and spelling.
        child: Who wears the camera, by the name of the recording.

    >>> [who_speaks(label, "S") for label in ("Mother", "Target_Child", "FC2", "SPEAKER_00", "s", "Anna")]
    ['caregiver', 'own', 'other child', 'unlabelled', 'own', 'unrecognised']
    """
    if label and label.lower() == child.lower():
        return "own"
    plain = " ".join(re.split(r"[\s_]+", label.strip().lower()))
    return next((who for who, pattern in _PATTERNS if pattern.fullmatch(plain)), "unrecognised")
