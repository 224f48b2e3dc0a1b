"""The public face: what ``babyvlm`` exports, that commands are its functions, and that both make the same files."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import babyvlm
from babyvlm.cli import main
from babyvlm.cli.index import COMMANDS

SERVERS = {"explore", "toolbox review", "study serve", "docs"}
PRINT_ONLY = {"config", "doctor", "study invite", "study password", "study prompts"}
OF_COMMANDS = {"demo"}
"""The demonstration types other commands."""
FUNCTIONS = [name for name in babyvlm.__all__ if inspect.isfunction(getattr(babyvlm, name))]


@pytest.mark.parametrize("name", babyvlm.__all__)
def test_what_is_exported_is_there_and_documented(name):
    thing = getattr(babyvlm, name)
    assert name in dir(babyvlm)
    if name != "__version__":
        assert inspect.getdoc(thing), name
        assert getattr(importlib.import_module(thing.__module__), name) is thing


def test_the_list_is_sorted_and_complete():
    assert list(babyvlm.__all__) == sorted(babyvlm.__all__)
    assert set(babyvlm._MODULES) == set(babyvlm.__all__) - {"__version__"}


def test_type_checkers_see_the_same_names():
    (block,) = [node for node in ast.parse(Path(babyvlm.__file__).read_text()).body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == babyvlm._MODULES | {"Any": "typing"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_explains_its_arguments(name):
    function = getattr(babyvlm, name)
    documented = inspect.getdoc(function)
    for part in ("Args:", "Returns:", "Raises:"):
        assert part in documented, part
    for parameter in inspect.signature(function).parameters.values():
        assert f"\n    {parameter.name}: " in documented, parameter.name
        assert parameter.annotation is not parameter.empty


def test_no_module_hides_a_function():
    """Importing a submodule binds its name in the package, and would take the place of a function of that name."""
    assert not {module.name for module in pkgutil.iter_modules(babyvlm.__path__)} & set(babyvlm.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'curat'"):
        _ = babyvlm.curat


def test_nothing_heavy_is_imported_before_it_is_used():
    code = (
        "import sys, babyvlm; heavy = {'numpy', 'torch', 'transformers', 'av', 'pydantic', 'tyro', 'PIL'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def calls_of(command: str) -> set[str]:
    """The public functions that a command's function calls."""
    tree = ast.parse(inspect.getsource(COMMANDS[command].load()))
    return {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "babyvlm"
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_calls_the_public_face(command):
    others = SERVERS | PRINT_ONLY | OF_COMMANDS
    assert calls_of(command) <= set(FUNCTIONS)
    assert bool(calls_of(command)) != (command in others)


def test_every_public_function_is_a_command():
    assert set().union(*map(calls_of, COMMANDS)) == set(FUNCTIONS)


def files_of(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The same steps twice on a rendered corpus: by command, and by function."""
    pytest.importorskip("skia", reason="the nursery cannot be rendered: the extra render is not installed")
    root = tmp_path_factory.mktemp("twice")
    nursery = babyvlm.NurseryConfig(
        hours=4 * 20 / 3600, recording_s=20, speech="silence", train_fraction=0.5, validation_fraction=0,
        test_fraction=0.5,
    )  # fmt: skip
    corpus = babyvlm.make_corpus(root / "corpus", nursery, workers=1)
    items = dict.fromkeys(babyvlm.InstructionConfig().items, 4)
    typed, called = root / "typed", root / "called"
    few = [word for task in items for word in (f"--instruction.items.{task.replace('_', '-')}", "4")]
    main(["curate", str(corpus), "--out", str(typed / "set"), "--fps", "0.5", *few, "--workers", "1"])
    tasks = ["--tasks", "localization", "left_right", "--items-per-task", "6"]
    main(["toolbox", "build", str(corpus), "--out", str(typed / "toolbox"), *tasks, "--workers", "1",
          "--training", str(typed / "set")])  # fmt: skip
    main(["toolbox", "audit", str(typed / "toolbox"), "--out", str(typed / "audit"), "--min-items", "2"])
    run = root / "run"
    main(["evaluate", "baseline:random", str(typed / "toolbox"), "--out", str(run)])
    main(["report", str(run), "--out", str(typed / "page" / "report.html"), "--browse", "1"])

    instruction = babyvlm.InstructionConfig(items=items)
    data = babyvlm.curate(corpus, called / "set", babyvlm.CurationConfig(fps=0.5), instruction=instruction, workers=1)
    config = babyvlm.ToolboxConfig(tasks=("localization", "left_right"), items_per_task=6)
    built = babyvlm.build_toolbox(str(corpus), str(called / "toolbox"), config, training=data.folder, workers=1)
    found = babyvlm.audit(built.folder, called / "audit", babyvlm.AuditConfig(min_items=2))
    assert data.has_instruction and built.items and found.rows
    babyvlm.report([run], called / "page" / "report.html", browse=1)
    return typed, called


@pytest.mark.parametrize("step", ["set", "toolbox", "audit", "page"])
def test_function_and_command_make_the_same_files(places, step):
    typed, called = (files_of(place / step) for place in places)
    assert typed.keys() == called.keys() and len(typed) >= 3
    assert [name for name in typed if typed[name] != called[name]] == []
