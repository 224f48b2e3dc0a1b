"""The first start of a study, and every later one: database, secrets and consent text in, a service out."""

from __future__ import annotations

import getpass
import os
import sys
from importlib import resources
from pathlib import Path

from babyvlm.errors import ConfigError, InputError
from babyvlm.regular_files import read_text
from babyvlm.study.access import check_password, check_pin
from babyvlm.study.configuration import ServeConfig, StudyConfig
from babyvlm.study.service import StudyService
from babyvlm.study.store import Store
from babyvlm.study.voices import Voices, sentences_of
from babyvlm.toolbox import Toolbox

PASSWORD_VARIABLE = "BABYVLM_STUDY_PASSWORD"
PIN_VARIABLE = "BABYVLM_STUDY_PIN"


def open_study(toolbox: Toolbox, database: str, config: StudyConfig, serve: ServeConfig) -> StudyService:
    """Begins a study where the database is empty, else resumes the one in it.

    Raises:
        ConfigError: The database holds a study of another design or toolbox, or no password was given at first start.
        InputError: The consent text does not read.
    """
    if not toolbox.items:
        raise ConfigError(f"{toolbox.folder}: no items to give")
    text = _consent_text(serve.consent)
    if Store.holds_study(database):
        store = Store.open(database)
        if kept := store.refuse_other(toolbox, config):
            shown = ", ".join(f"{name} {_as_typed(value)}" for name, value in kept.items())
            print(f"This study keeps the design it was begun with: {shown}.", flush=True)
        voices = _voices(toolbox, store.config, serve.voice)
    else:
        voices = _voices(toolbox, config, serve.voice)
        password = choose_password()
        pin = choose_pin() if config.gate != "nobody" else ""
        store = Store.begin(database, toolbox, config, password=password, pin=pin)
    return StudyService(store, toolbox, text, voices=voices)


def _as_typed(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def choose_password() -> str:
    """The admin page's password, from the environment or the terminal."""
    password = _secret(PASSWORD_VARIABLE, "Choose the password of the admin page (10 characters or more): ")
    check_password(password)
    return password


def choose_pin() -> str:
    """The gate's PIN, from the environment or the terminal."""
    pin = _secret(PIN_VARIABLE, "Choose the PIN with which a grown-up opens a session (4 digits or more): ")
    check_pin(pin, needed=True)
    return pin


def _voices(toolbox: Toolbox, config: StudyConfig, folder: Path | None) -> Voices:
    """The recordings, where the study uses any; how many sentences have none is said at the terminal."""
    if config.speech != "recorded":
        return Voices(None)
    if folder is None:
        raise ConfigError("--speech recorded needs the folder of the recordings: --voice FOLDER")
    voices = Voices(folder)
    sentences = sentences_of(toolbox.items, config)
    if missing := [sentence for sentence in sentences if not voices.hold(sentence.text)]:
        print(
            f"{len(missing)} of {len(sentences)} sentences have no recording, {missing[0].text!r} among them; the "
            "browser's own voice says them. babyvlm study prompts lists them.",
            flush=True,
        )
    return voices


def change_secrets(store: Store) -> tuple[str, ...]:
    """Takes another password, and another PIN where the study has a gate; returns what was changed.

    Where one of the two stands in the environment, that one alone is changed.
    """
    given = [variable for variable in (PASSWORD_VARIABLE, PIN_VARIABLE) if variable in os.environ]
    changed = []
    if PASSWORD_VARIABLE in given or not given:
        store.set_password(choose_password())
        changed.append("password")
    if PIN_VARIABLE in given or (not given and store.config.gate != "nobody"):
        store.set_pin(choose_pin())
        changed.append("PIN")
    return tuple(changed)


def _secret(variable: str, question: str) -> str:
    """From the environment, or typed twice at the terminal, unseen."""
    if variable in os.environ:
        return os.environ[variable]
    if not sys.stdin.isatty():
        raise ConfigError(f"nobody is at the terminal to choose the study's secrets: set {variable}")
    chosen = getpass.getpass(question)
    if getpass.getpass("The same once more: ") != chosen:
        raise ConfigError("the two are not the same; nothing was changed")
    return chosen


def _consent_text(path: Path | None) -> str:
    if path is None:
        print("No --consent: participants agree to the text that comes with the software.", flush=True)
        return resources.files(__package__).joinpath("pages", "consent.txt").read_text(encoding="utf-8").strip()
    try:
        text = read_text(path).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the consent text does not read ({error})", path=path) from error
    if not text:
        raise InputError("the consent text is empty", path=path)
    return text
