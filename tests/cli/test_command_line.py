"""The command line itself: its index, its help, the options of all commands, mistyped names, closing lines."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import babyvlm
from babyvlm import names
from babyvlm.cli import main
from babyvlm.cli.index import COMMANDS, FAMILIES, GROUPS, nearest
from babyvlm.cli.parsing import ALL, RARE, parser_of
from babyvlm.progress import progress

CLI = Path(importlib.import_module("babyvlm.cli").__file__).parent
MODULES = sorted({command.target.partition(":")[0] for command in COMMANDS.values()})


def typed(capsys, *words: str, code: int | None = None) -> tuple[str, str]:
    """Standard output and error of a command; ``code`` where it exits."""
    if code is None:
        main(list(words))
    else:
        with pytest.raises(SystemExit) as stopped:
            main(list(words))
        assert stopped.value.code == code
    read = capsys.readouterr()
    return read.out, read.err


@pytest.mark.parametrize("name", COMMANDS)
def test_the_index_says_of_a_command_what_its_function_says(name):
    command = COMMANDS[name]
    function = command.load()
    assert command.help == inspect.getdoc(function).splitlines()[0]
    assert inspect.signature(function).return_annotation == "str"
    assert " " not in name or name.split()[0] in FAMILIES


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_of_a_commands_module_is_a_command(module):
    loaded = importlib.import_module(f"babyvlm.cli.{module}")
    own = {
        name for name, function in inspect.getmembers(loaded, inspect.isfunction)
        if function.__module__ == loaded.__name__ and not name.startswith("_")
    }  # fmt: skip
    assert {f"{module}:{name}" for name in own} == {
        command.target for command in COMMANDS.values() if command.target.startswith(f"{module}:")
    }


def test_the_names_without_torch_are_those_of_their_rooms():
    from babyvlm.corpus.layouts import LAYOUTS

    assert names.LAYOUTS == LAYOUTS


def test_help_lists_every_command_by_what_one_does_and_imports_none():
    code = (
        "import sys\nfrom babyvlm.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit as stopped: assert stopped.code == 0\n"
        "own = sorted(name for name in sys.modules if name.startswith('babyvlm'))\n"
        "print(own, {'tyro', 'numpy', 'pydantic', 'torch'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    places = [done.stdout.index(f"\n{title}\n") for title in GROUPS]
    assert places == sorted(places) and len(places) == 6
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert done.stderr.strip().endswith("set()")
    assert not any(f"babyvlm.cli.{module}'" in done.stderr for module in MODULES)


def test_only_the_module_of_the_command_is_imported():
    code = (
        "import sys\nfrom babyvlm.cli import main\nmain(['power', '--difference', '0.1'])\n"
        "print(*(name for name in sys.modules if name.startswith('babyvlm.cli.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stderr.splitlines()[-1].split())
    assert imported & {f"babyvlm.cli.{module}" for module in MODULES} == {"babyvlm.cli.evaluation"}


def test_a_family_lists_its_commands(capsys):
    out, _ = typed(capsys, "study", "--help", code=0)
    assert all(f"  {name} " in out for name in COMMANDS if name.startswith("study ")) and "toolbox build" not in out
    _, err = typed(capsys, "study", code=2)
    assert "study serve" in err and err.endswith("babyvlm: error: name a command\n")


def test_nothing_typed_is_answered_with_the_list(capsys):
    out, err = typed(capsys, code=2)
    assert out == "" and "curate" in err and err.endswith("babyvlm: error: name a command\n")


def test_the_version(capsys):
    assert typed(capsys, "--version", code=0)[0] == f"babyvlm {babyvlm.__version__}\n"
    assert typed(capsys, "curate", "--version", code=0)[0] == f"babyvlm {babyvlm.__version__}\n"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["evalute"], "evaluate"), (["toolbox", "biuld"], "toolbox build"), (["audit"], "toolbox audit"),
        (["curat", "my-recordings"], "curate"), (["tolbox", "build"], "toolbox"),
        (["corpus", "rendr"], "corpus render"),
    ],
)  # fmt: skip
def test_a_mistyped_command_is_answered_with_the_nearest(words, meant, capsys):
    out, err = typed(capsys, *words, code=2)
    assert out == "" and err.count("\n") == 1 and f"did you mean {meant!r}?" in err


def test_a_word_that_is_near_nothing(capsys):
    assert nearest("xyzzy") == ""
    assert "did you mean" not in typed(capsys, "xyzzy", code=2)[1]
    assert "no option of babyvlm itself" in typed(capsys, "--out", "here", "curate", code=2)[1]


def test_positional_arguments_have_names(capsys):
    out, _ = typed(capsys, "evaluate", "--help", code=0)
    assert out.splitlines()[0].endswith("MODEL TOOLBOX") and "{None}" not in out and "--limit INT" in out
    assert typed(capsys, "curate", "--help", code=0)[0].splitlines()[0].endswith("CORPUS")


def test_rare_settings_are_shown_on_request_and_always_work(capsys):
    out, _ = typed(capsys, "toolbox", "build", "--help", code=0)
    every, _ = typed(capsys, "toolbox", "build", "--help-all", code=0)
    for setting in ("--crops.", "--max-crops"):
        assert setting not in out and setting in every
    assert "--help-all" in out and "left out here" not in every
    assert "--items-per-task" in out and "--words.foils" in out
    refused = typed(capsys, "toolbox", "build", "nowhere", "--out", "x", "--max-crops", "99", code=2)[1]
    assert "nowhere" in refused and "crop" not in refused


def test_every_rare_setting_is_one():
    shown = {flag for command in COMMANDS.values() for action in parser_of(command)._actions
             for flag in action.option_strings}  # fmt: skip
    for names_of_class in RARE.values():
        for name in () if names_of_class == ALL else names_of_class:
            flag = f"--{name.replace('_', '-')}"
            assert any(one == flag or one.endswith(f".{flag[2:]}") for one in shown), flag


def test_none_may_still_be_typed(capsys):
    words = ["power", "--difference", "0.1", "--accuracy", "0.6"]
    assert typed(capsys, *words, "--differing", "None")[0] == typed(capsys, *words)[0]


def test_data_stays_clean_and_the_closing_line_is_on_standard_error(capsys):
    out, err = typed(capsys, "power", "--difference", "0.1")
    assert out.count("\n") == 1 and err.count("\n") == 1 and "Next: babyvlm toolbox build" in err


def test_quiet_keeps_what_was_asked_for_and_errors(capsys):
    assert typed(capsys, "-q", "power", "--difference", "0.1") == (
        "388 items for each of the two: a difference of 10 points, power 80%, 5% two-sided\n",
        "",
    )
    out, err = typed(capsys, "score", "nowhere", "--quiet", code=2)
    assert out == "" and err.startswith("babyvlm: error: nowhere")
    assert "--difference" in typed(capsys, "-q", "power", code=2)[1]  # what does not parse is an error, too


def test_quiet_is_silent_where_files_are_made(small_corpus, tmp_path, capsys):
    assert typed(capsys, "-q", "curate", str(small_corpus), "--out", f"{tmp_path}/set", "--workers", "1") == ("", "")
    assert (tmp_path / "set" / "card.html").is_file() and names.QUIET not in os.environ


def test_progress_is_off_in_every_process_of_a_quiet_command(monkeypatch, capsys):
    monkeypatch.setenv(names.QUIET, "1")
    assert list(progress([1, 2], description="x")) == [1, 2]
    assert capsys.readouterr().err == ""


def test_verbose_measures_and_traces(capsys):
    _, err = typed(capsys, "-v", "power", "--difference", "0.1")
    assert " s, at most " in err and "Next: " in err
    _, err = typed(capsys, "power", "--difference", "7", "-v", code=2)
    assert "Traceback" in err and err.splitlines()[-1].startswith("babyvlm: error: ")
    assert "Traceback" not in typed(capsys, "power", "--difference", "7", code=2)[1]


def test_the_closing_line_says_what_to_do_next(small_corpus, tmp_path, capsys):
    out = tmp_path / "my set"
    printed, err = typed(capsys, "curate", str(small_corpus), "--out", str(out), "--workers", "1")
    assert printed.startswith(f"{out}: 3 recordings")
    assert err.splitlines()[-1].endswith(f"Next: babyvlm train RECIPE --data '{out}' --out MODEL")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_every_command(shell):
    """In a process of its own: making an argparse parser, as the documentation does, changes tyro's completions."""
    print_it = [sys.executable, "-m", "babyvlm", "--tyro-print-completion", shell]
    script = subprocess.run(print_it, capture_output=True, text=True, check=True).stdout
    assert all(word in script for name in COMMANDS for word in name.split())
