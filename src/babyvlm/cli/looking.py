"""Pages to look at data and to talk to a model: ``explore``, ``chat``."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

import babyvlm
from babyvlm.cli.shared import Sharing, closing
from babyvlm.study import require_study_extra


def explore(
    path: Positional[Path],
    *,
    host: str = "127.0.0.1",
    port: int = 8322,
    cache: Path | None = None,
    i_may_share: Sharing = "",
) -> str:
    """Look at recordings, pairs, items and replies in a browser. An index is made once, and again when the data change.

    Args:
        path: A curated set, a toolbox, a run, or a folder that holds several of them, such as ``babyvlm demo`` leaves.
        host: Address to listen at; the default lets no other machine in.
        port: Port to listen at.
        cache: Folder for the index; the user's cache folder when not given.
        i_may_share: ``restricted`` lets other machines see restricted pictures.
    """
    require_study_extra("Looking inside in the browser")
    from babyvlm.explorer.index import open_index
    from babyvlm.explorer.queries import Explorer
    from babyvlm.explorer.server import serve_explorer
    from babyvlm.explorer.sources import find_sources

    explorer = Explorer(open_index(find_sources(path), cache))
    serve_explorer(explorer, host=host, port=port, share_restricted=i_may_share == "restricted")
    return closing("the explorer is closed; its index is kept")


def chat(
    checkpoint: Positional[Path],
    *,
    image: tuple[Path, ...] = (),
    video: Path | None = None,
    options: tuple[str, ...] = (),
    ask: str = "",
    max_new_tokens: int = 64,
    web: bool = False,
    host: str = "127.0.0.1",
    port: int = 8323,
) -> str:
    """Talk to a checkpoint: show it pictures or a clip, ask, see the reply and how likely each option was.

    Args:
        checkpoint: One stage of ``babyvlm train``, such as OUT/instruction.
        image: Pictures that go with the first question.
        video: A clip whose frames go before them.
        options: Replies whose probabilities to show.
        ask: One question to ask; without it questions are read from the terminal.
        max_new_tokens: Longest reply, tokens.
        web: Talk in the browser.
        host: With --web, address to listen at; the default lets no other machine in.
        port: With --web, port to listen at.
    """
    from transformers.utils.logging import disable_progress_bar

    from babyvlm.chat.checkpoint import open_pictures
    from babyvlm.chat.terminal import describe, talk

    disable_progress_bar()  # it would stand between question and reply
    if web:
        require_study_extra("Talking in the browser")
    pictures = open_pictures(image, video)
    model = babyvlm.load(checkpoint, max_new_tokens=max_new_tokens)
    if web:
        from babyvlm.chat.server import serve_chat

        serve_chat(model.respondent, host=host, port=port)
    elif ask:
        print(describe(model.conversation().ask(ask, pictures, options)))
    else:
        talk(model.conversation(), pictures, options)
    return closing("nothing of the conversation is kept", "evaluate", checkpoint, "TOOLBOX", "--out", "RUN")
