"""The conversation at the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

from babyvlm.chat.conversation import ChatConversation, ChatReply
from babyvlm.errors import ConfigError


def talk(
    conversation: ChatConversation,
    pictures: Sequence[Image.Image],
    options: Sequence[str],
    *,
    read: Callable[[str], str] = input,
    write: Callable[[str], None] = print,
) -> None:
    """Asks what is typed, until an empty line or the end of input; the pictures go with the first question."""
    shown = list(pictures)
    while True:
        try:
            typed = read("you: ").strip()
        except EOFError:
            return
        if not typed:
            return
        try:
            said = conversation.ask(typed, shown, options)
        except ConfigError as error:
            write(f"({error})")
            continue
        shown = []
        write(describe(said))


def describe(said: ChatReply) -> str:
    """A reply, with its options below."""
    lines = [f"model: {said.reply}" if not said.problem else f"no reply: {said.problem}"]
    lines += [f"  {100 * one.probability:5.1f}%  {one.option}" for one in said.options]
    return "\n".join(lines)
