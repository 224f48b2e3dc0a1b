"""Finding what other packages add: by metadata alone, with errors that name the package, where it is asked for only."""

import subprocess
import sys

import pytest

from babyvlm.cli import main
from babyvlm.doctor import registries
from babyvlm.errors import ConfigError, ExtensionError
from babyvlm.registry import GROUPS, faults, installed_extensions
from babyvlm.toolbox.tasks import REGISTRY, TASKS
from tests.extensions import on_the_path, write_metadata

REGISTRIES = {registry.group: registry for registry in registries()}
GROUP = REGISTRY.group


@pytest.fixture
def installed(tmp_path):
    """Installs packages with the given entry points for the rest of a test."""
    with on_the_path(tmp_path / "site"):

        def install(name, points, group=GROUP, version="1.0", **modules):
            for module, code in modules.items():
                (tmp_path / "site").mkdir(exist_ok=True)
                (tmp_path / "site" / f"{module}.py").write_text(code)
            write_metadata(tmp_path / "site", name, version, {group: points})
            installed_extensions.cache_clear()

        yield install


@pytest.mark.parametrize("group", GROUPS)
def test_an_unknown_name_suggests_the_nearest(group):
    registry = REGISTRIES[group]
    with pytest.raises(ConfigError) as error:
        registry.get(registry.names()[0] + "_")
    assert f"there is no {registry.kind} " in str(error.value)
    assert f"did you mean {registry.names()[0]!r}?" in str(error.value)
    assert all(name in str(error.value) for name in registry.names())


@pytest.mark.parametrize("group", GROUPS)
def test_names_come_from_metadata_and_nothing_is_imported(group, installed):
    installed("a-lab", {"zzz_new": "lab_that_must_not_load:X"}, group=group, lab_that_must_not_load="1 / 0")
    registry = REGISTRIES[group]
    assert registry.names()[-1] == "zzz_new" and "zzz_new" in registry
    assert registry.used(["zzz_new", *registry.builtin]) == {f"{registry.kind} zzz_new": "a-lab 1.0"}
    assert "lab_that_must_not_load" not in sys.modules
    for name in registry.builtin:
        registry.get(name)


@pytest.mark.parametrize(
    ("code", "target", "problem"),
    [
        ("1 / 0", "broken:X", "does not import (ZeroDivisionError: division by zero)"),
        ("import no_such_library", "broken:X", "does not import (ModuleNotFoundError: No module named 'no_such_lib"),
        ("raise SyntaxError('half')", "broken:X", "does not import (SyntaxError: half)"),
        ("", "broken:X", "does not import (AttributeError: module 'broken' has no attribute 'X')"),
        ("", "nowhere_at_all:X", "does not import (ModuleNotFoundError"),
        ("X = 7", "broken:X", "7"),
    ],
)
@pytest.mark.parametrize("group", GROUPS)
def test_what_does_not_load_names_package_entry_point_and_remedy(group, code, target, problem, installed):
    sys.modules.pop("broken", None)
    installed("a-lab", {"broken_one": target}, group=group, version="2.3", broken=code)
    with pytest.raises(ExtensionError) as error:
        REGISTRIES[group].get("broken_one")
    said = str(error.value)
    assert f"package a-lab 2.3, entry point broken_one = {target!r} in group {group}" in said
    assert "pip uninstall a-lab" in said
    assert problem in said or (problem == "7" and "belongs" in said)
    sys.modules.pop("broken", None)


@pytest.mark.parametrize("group", GROUPS)
def test_a_name_of_two_packages_is_an_error_where_it_is_used(group, installed):
    installed("a-lab", {"twice": "a:X"}, group=group)
    installed("b-lab", {"twice": "b:X"}, group=group, version="0.2")
    registry = REGISTRIES[group]
    assert registry.names().count("twice") == 1
    with pytest.raises(
        ExtensionError, match=r"several packages give .* 'twice': a-lab 1\.0 and b-lab 0\.2\. Uninstall"
    ):
        registry.get("twice")
    for name in registry.builtin:
        registry.get(name)


def test_a_built_in_name_stays_the_built_in_one_and_doctor_says_so(installed, capsys):
    installed("a-lab", {"memory": "lab:X"})
    assert REGISTRY.get("memory") is TASKS["memory"] and REGISTRY.used(["memory"]) == {}
    (fault,) = [fault for one, fault in faults(registries()).items() if one.package == "a-lab"]
    assert fault == "not used: 'memory' is the name of a built-in task; a-lab must rename it"
    main(["doctor"])
    assert f"extension: task memory, of a-lab 1.0; cannot be used: {fault}" in capsys.readouterr().out


def test_doctor_lists_each_extension_with_its_package_and_version(capsys):
    main(["doctor"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("extension: ")]
    assert "extension: task odd_one_out, of babyvlm-extension-example 0.1.0" in lines
    assert len(lines) == len(installed_extensions()) >= len(GROUPS)
    assert {one.group for one in installed_extensions()} == set(GROUPS)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["toolbox", "build", "--help"],
        ["evaluate", "--help"],
        ["train", "--help"],
        ["corpus", "index", "--help"],
    ],
)
def test_help_imports_no_extension_and_no_torch(words, installed, tmp_path):
    for number, group in enumerate(GROUPS):
        installed(f"lab-{number}", {"new_one": "loud:X"}, group=group, loud="raise SystemExit('imported')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "from babyvlm.cli import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "sys.exit('loud' in sys.modules or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_toolbox_of_a_package_that_is_gone_says_which(toolbox, monkeypatch):
    from babyvlm import registry
    from babyvlm.errors import DataFolderError
    from babyvlm.toolbox import open_toolbox

    monkeypatch.setattr(registry, "installed_extensions", lambda: ())
    with pytest.raises(
        DataFolderError, match=r"unknown task 'odd_one_out'.* built with babyvlm-extension-example 0\.1\.0"
    ):
        open_toolbox(toolbox.folder)
