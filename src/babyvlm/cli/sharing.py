"""Reading and handing on: ``docs``, ``push``."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

import babyvlm
from babyvlm.cli.shared import Sharing, closing


def push(
    source: Positional[Path],
    destination: Positional[str],
    *,
    public: bool = False,
    i_may_share: Sharing = "",
) -> str:
    """Hand on a checkpoint, a toolbox or a run, with its card, to a folder or to a repository of the hub.

    Args:
        source: A finished stage (OUT/instruction), a converted checkpoint, a toolbox, or a run folder.
        destination: A new folder, or hf:OWNER/NAME for the hub, where a checkpoint becomes a model and the others a
            data set.
        public: Make a new repository of the hub public; private by default.
        i_may_share: ``restricted`` hands on material that is restricted, or whose licence is unknown, and people's
            answers.
    """
    pushed = babyvlm.push(source, destination, public=public, share_restricted=i_may_share == "restricted")
    parcel = pushed.parcel
    print(
        f"{pushed.place}: a {parcel.kind}, {len(parcel.names)} files, {parcel.size_bytes / 2**20:,.1f} MiB; "
        f"licence of the material: {parcel.licence}"
    )
    return closing(f"{pushed.place} is what others get; its README.md is the card to read before they do")


def docs(*, serve: bool = False, port: int = 8324, browser: bool = True) -> str:
    """Open the documentation that comes with the program; nothing is fetched.

    Args:
        serve: Serve it to this machine, for a browser elsewhere that a tunnel leads here.
        port: With --serve, port to listen at; 0 for any that is free.
        browser: Open a browser; without it the address is printed alone.
    """
    import contextlib
    import webbrowser

    from babyvlm.documentation import SITE, site_server, start_page

    if not serve:
        address = start_page().resolve().as_uri()
        print(address)
        if browser:
            webbrowser.open(address)
        return closing("the documentation is open" if browser else "open the address above in a browser")
    with contextlib.suppress(KeyboardInterrupt), site_server(SITE, port) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/  (stop with Ctrl-C)", flush=True)
        server.serve_forever()
    return closing("the documentation is no longer served")
