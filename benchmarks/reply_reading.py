"""How well replies are read (claims: every reply is read without an error; the share read as a person reads it).

`tests/toolbox/replies.tsv` is a list of replies as models write them, each labelled by hand with the answer that a
person notes down. This prints, for our reader and for the published reference's, the share that agrees, by kind, and
every disagreement of ours.

The labels came first: run on them for the first time, the reader of that day agreed with 80.7%. It was then improved
on this very list, and one label that contradicted an older test ("a" alone) was changed. So the figure now is of a list
that the reader knows. `replies_later.tsv` is a short one that it does not: written and labelled after its last change.
`replies_forms.tsv` and `replies_unseen.tsv` are replies in the forms of models and servers; their heads say what the
reader had seen of them.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter, defaultdict
from pathlib import Path

from babyvlm.toolbox import TASKS, Scoring, read_answer
from babyvlm.toolbox.replies import is_refusal

ROOT = Path(__file__).resolve().parents[1]
SPECS = {
    "ABCD": (TASKS["picture_vocabulary"], "ABCD"),
    "ABC": (TASKS["left_right"], "ABC"),
    "AB": (TASKS["memory"], "AB"),
    "quadrant": (TASKS["localization"], "ABCD"),
    "number": (TASKS["object_counting"], TASKS["object_counting"].options),
    "direction": (TASKS["visual_delayed_response_open"], TASKS["visual_delayed_response_open"].options),
}


def labelled(name: str = "replies.tsv") -> list[tuple[str, str, str]]:
    """Kind, answer and reply of every line of a list."""
    lines = (ROOT / "tests" / "toolbox" / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    # In the file, \n is a line break and \\ a backslash.
    return [
        (kind, answer, reply.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\"))
        for kind, answer, reply in rows
    ]


def read(kind: str, reply: str, scoring: Scoring = "default") -> str:
    """What is read, in the labels' own words; ``cut`` before the kind stands for a reply that was cut off."""
    cut, _, whole = kind.rpartition(" ")
    spec, options = SPECS[whole]
    answer = read_answer(reply, spec, tuple(options), scoring=scoring, cut=bool(cut))
    if answer is not None:
        return answer
    return "refused" if scoring == "default" and is_refusal(reply) else "-"


def main() -> None:
    rows = labelled()
    total: Counter[str] = Counter(kind for kind, _, _ in rows)
    right: dict[str, Counter[str]] = defaultdict(Counter)
    disagreements = []
    for kind, label, reply in rows:
        ours, reference = read(kind, reply), read(kind, reply, "reference")
        right["ours"][kind] += ours == label
        # The reference knows no refusals: reading nothing is all that can be asked of it there.
        right["reference"][kind] += reference == ("-" if label == "refused" else label)
        if ours != label:
            disagreements.append({"kind": kind, "reply": reply, "label": label, "read": ours})
    for found in disagreements:
        print(f"{found['kind']:10} label {found['label']:>12}  read {found['read']:>12}  {found['reply']!r}")
    later = labelled("replies_later.tsv")
    unseen = sum(read(kind, reply) == label for kind, label, reply in later)
    result = {
        "date": str(datetime.date.today()),
        "replies": len(rows),
        "ours": sum(right["ours"].values()) / len(rows),
        "reference": sum(right["reference"].values()) / len(rows),
        "forms": {
            name: sum(read(kind, reply) == label for kind, label, reply in labelled(name)) / len(labelled(name))
            for name in ("replies_forms.tsv", "replies_unseen.tsv")
        },
        "later_replies": len(later),
        "ours_later": unseen,
        "by_kind": {
            kind: {"replies": count, "ours": right["ours"][kind], "reference": right["reference"][kind]}
            for kind, count in total.items()
        },
        "disagreements": disagreements,
    }
    target = Path(__file__).parent / "results" / f"reply_reading-{result['date']}.json"
    target.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(rows)} replies: {result['ours']:.1%} read as labelled, {result['reference']:.1%} by the reference")
    print(f"{unseen} of {len(later)} replies written after the reader's last change")
    print(f"written to {target}")


if __name__ == "__main__":
    main()
