"""People as respondents: ``study``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

import babyvlm
from babyvlm.cli.shared import Sharing, closing
from babyvlm.study import Group, ServeConfig, StudyConfig, require_study_extra


def serve(
    toolbox: Positional[Path],
    *,
    db: str = "study.db",
    study: Annotated[StudyConfig, arg(name="")] = StudyConfig(),  # noqa: B008
    serve: Annotated[ServeConfig, arg(name="")] = ServeConfig(),  # noqa: B008
    i_may_share: Sharing = "",
) -> str:
    """Let people take a toolbox's items in a browser. The first start begins the study and freezes its design.

    Its password and PIN are asked for at the terminal, or taken from BABYVLM_STUDY_PASSWORD and BABYVLM_STUDY_PIN.

    Args:
        toolbox: Folder written by ``babyvlm toolbox build`` or ``import``.
        db: Where the study is kept: a file, or postgresql://user@host/name.
        study: The design.
        serve: Where it is served.
        i_may_share: ``restricted`` lets other machines see restricted pictures.
    """
    require_study_extra("A study in the browser")
    from babyvlm.study.begin import open_study
    from babyvlm.study.server import serve_study
    from babyvlm.toolbox import open_toolbox

    service = open_study(open_toolbox(toolbox), db, study, serve)
    serve_study(service, serve, share_restricted=i_may_share == "restricted")
    return closing(f"the study is kept in {_shown(db)}", "study", "export", _shown(db), "--out", "EXPORT")


def invite(
    db: Positional[str],
    *,
    group: Group = "adult",
    site: str = "main",
    age_months: float | None = None,
    count: int = 1,
    pilot: bool = False,
    url: str = "",
) -> str:
    """Make links for participants, as the admin page does. They are shown only now.

    Args:
        db: The study's database, as given to ``babyvlm study serve``.
        group: Adults take every task, children those that fit their age.
        site: Where they take part.
        age_months: Of a child, if known already; asked for with the consent if not.
        count: Links to make.
        pilot: Links to try the study by; they are never pooled, balanced or counted as withdrawn.
        url: How participants reach the server; where it was served last when not given.
    """
    require_study_extra("A study")
    from babyvlm.study.design import looks_like_years
    from babyvlm.study.store import Store

    store = Store.open(db)
    base = url or store.row.address or "http://127.0.0.1:8330"
    for made in store.invite(group, site, age_months=age_months, count=count, pilot=pilot):
        print(f"{made.code}  {base.rstrip('/')}/#{made.token}")
    if age_months is not None and looks_like_years(age_months):
        print(f"Note: {age_months:g} months, not {age_months:g} years ({12 * age_months:g} months)", file=sys.stderr)
    return closing(f"{count} links that are shown only now", "study", "serve", "TOOLBOX", "--db", _shown(db))


def password(db: Positional[str]) -> str:
    """Choose another admin password, and another PIN where the study has one; a running server takes them at once.

    They are asked for at the terminal, or taken from BABYVLM_STUDY_PASSWORD and BABYVLM_STUDY_PIN.

    Args:
        db: The study's database, as given to ``babyvlm study serve``.
    """
    require_study_extra("A study")
    from babyvlm.study.begin import change_secrets
    from babyvlm.study.store import Store

    print(f"Changed: {', '.join(change_secrets(Store.open(db)))}")
    return closing("a running server takes them at once")


def export(db: Positional[str], *, out: Path, toolbox: Path | None = None) -> str:
    """Write what people answered as run folders, which ``report`` and ``compare`` take, and as tidy CSV files.

    Args:
        db: The study's database, as given to ``babyvlm study serve``.
        out: Folder to write: ``pooled`` and ``participants/CODE`` are runs.
        toolbox: The toolbox, where it has moved since.
    """
    sessions = babyvlm.export_study(db, out, toolbox=toolbox)
    from babyvlm.study.export import describe_export

    print(describe_export(sessions))
    return closing(f"{out} has the answers", "report", out / "pooled", "--out", "PAGE.html")


def prompts(
    toolbox: Positional[Path],
    *,
    tasks: tuple[str, ...] = (),
    voice: Path | None = None,
    missing: bool = False,
) -> str:
    """List every sentence that a study says, and the file in which ``--speech recorded`` looks for it.

    Args:
        toolbox: Folder written by ``babyvlm toolbox build`` or ``import``.
        tasks: Sub-tasks of the study; all of the toolbox when empty.
        voice: Folder of recordings; sentences that it lacks are marked.
        missing: Those alone.
    """
    from babyvlm.study.voices import Voices, sentences_of
    from babyvlm.toolbox import open_toolbox

    voices = Voices(voice)
    sentences = sentences_of(open_toolbox(toolbox).items, StudyConfig(tasks=tasks))
    recorded = sum(voices.hold(sentence.text) for sentence in sentences)
    for sentence in sentences:
        held = voices.hold(sentence.text)
        if not (missing and held):
            print(f"{'' if held or voice is None else 'missing  '}{sentence.stem}.mp3  {sentence.text}")
    print(f"{len(sentences)} sentences, {recorded} recorded")
    then = ("study", "serve", toolbox, "--speech", "recorded", "--voice", voice or Path("FOLDER"))
    return closing(f"{len(sentences) - recorded} sentences are not recorded", *then)


def _shown(db: str) -> str:
    """A database as it may stand on a screen: an address may hold a password."""
    return "ADDRESS" if "://" in db else db
