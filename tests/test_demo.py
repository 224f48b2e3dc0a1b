"""The demonstration's recipes and what they are given to learn from fit each other."""

import json
from dataclasses import replace

import pytest

from babyvlm.cli.demo import run_demo
from babyvlm.cli.index import find
from babyvlm.cli.parsing import parse
from babyvlm.errors import ConfigError
from babyvlm.recipes import resolve
from babyvlm.recipes.material import MATERIAL


@pytest.mark.parametrize("name", MATERIAL)
def test_the_material_holds_every_source_that_the_recipe_weighs(name):
    material, instruction = MATERIAL[name], resolve(name).instruction
    phases = instruction.mixture
    held = {task for task, count in material.items.items() if count}
    held |= {"left_right.easy", "spatial_details.easy"} if material.easy_matching else set()
    held |= {"picture_vocabulary.easy"} if material.easy_words else set()
    held |= {"memory.easy"} if material.easy_memory else set()
    held |= {"own_words"} if instruction.own_words else set()
    assert {source for phase in phases for source in phase.weights} == held
    assert phases[-1].weights.keys() >= material.items.keys()  # nothing is forgotten at the end


def test_the_demonstration_is_the_nurserys_model_trained_for_less_time():
    short, long = resolve("demo"), resolve("nursery")
    assert replace(short.model, patch_size=16) == long.model
    assert short.instruction.optimisation.steps < long.instruction.optimisation.steps


def test_another_recipe_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="demo and nursery, not for 'saycam'"):
        run_demo(tmp_path / "out", seed=0, recipe="saycam", run=pytest.fail)
    assert not (tmp_path / "out").exists()


def test_every_step_is_a_command_that_parses(tmp_path, capsys):
    typed = []
    run_demo(tmp_path / "out", seed=3, run=typed.append, hours=0.1, heard_only=0.2)
    assert typed[1][-2:] == ["--instruction.heard-only", "0.2"]
    for words in typed:
        command, length = find(words)
        assert command is not None
        parse(command, words[length:])  # SystemExit where it does not
    assert [find(words)[0].name for words in typed] == [
        "corpus render", "curate", "toolbox build", "train", *["evaluate"] * 5, "report",
    ]  # fmt: skip
    timed = json.loads((tmp_path / "out" / "times.json").read_text())
    assert set(timed) >= {"render", "train", "ask model", "ask contrastive"}
    assert "report.html" in capsys.readouterr().out
