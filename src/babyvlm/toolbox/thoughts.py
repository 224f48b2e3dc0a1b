"""Separates a model's reasoning from its reply, by the markers that models and servers put around it.

    <think>...</think>  <thinking> <thought> <reasoning> <reflection> <seed:think> ...   ◁think▷   [THINK]
    <|begin_of_thought|>   <|channel|>analysis ... <|channel|>final   Thinking... ...done thinking.

Thoughts may lie in each other. What precedes a closing mark alone is a thought too, for many chat templates open it
themselves; one that is never closed has no reply behind it.
"""

from __future__ import annotations

import re

_NAMES = (
    r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|analysis|scratchpad|rationale|monologue|"
    r"(?:inner|internal|chain[_-]of|begin[_-]of)[_-](?:thoughts?|thinking|reasoning|monologue))"
)
_MARK = re.compile(
    rf"(?P<open><{_NAMES}(?:\s[^<>]*)?>|◁\s*think\s*▷|\[THINK(?:ING)?\]|<\|(?:begin|start)_of_(?:thought|thinking)\|>"
    r"|<\|(?:think|thinking)\|>|<unused94>(?:thought)?|<\|channel\|>\s*(?:analysis|commentary|thought)\b"
    r"|\A\s*Thinking\.{3}[ \t]*\n|\A\s*analysis(?=[A-Z]))"
    rf"|(?P<close></{_NAMES}\s*>|◁\s*/\s*think\s*▷|\[/THINK(?:ING)?\]|<\|end_of_(?:thought|thinking)\|>"
    r"|<\|/(?:think|thinking)\|>|<unused95>|\.{3}\s*done thinking\.?)"
    r"|(?P<final><\|channel\|>\s*final\b(?:\s*<\|message\|>)?|assistant\s?final(?=[A-Z\d\s*(\\{]))",
    re.IGNORECASE,
)


def without_thoughts(text: str) -> str:
    """A reply less its thoughts.

    >>> without_thoughts("Is it A?</think> B"), without_thoughts("<THINK>A</THINK>B <think>why"), without_thoughts("B")
    (' B', 'B ', 'B')
    """
    marks = list(_MARK.finditer(text))
    kept: list[str] = []
    depth = begin = since = 0
    for mark in marks:
        if mark["open"]:
            if not depth:
                kept.append(text[begin : mark.start()])
                since = mark.start()
            depth += 1
        elif mark["close"] and depth:
            depth -= 1
            begin = mark.end()
        else:  # whatever came before it was a thought
            kept, depth, begin = [], 0, mark.end()
    if depth and (not marks or marks[-1]["open"] or begin <= since):
        return "".join(kept)
    return "".join([*kept, text[begin:]])
