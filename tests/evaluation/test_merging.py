"""Parts of a toolbox asked apart and put together again."""

import json
import shutil

import pytest

import babyvlm
from babyvlm.cli import main
from babyvlm.errors import ConfigError, DataFolderError, OutputExistsError
from babyvlm.evaluation import AskConfig, evaluate, read_run
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.evaluation.merging import merge_runs
from babyvlm.evaluation.run_parts import RunPart
from babyvlm.records import Response, read_jsonl


def asked(folder):
    return [response.item for response in read_jsonl(folder / "responses.jsonl", Response)]


@pytest.fixture(scope="module")
def whole(toolbox, tmp_path_factory):
    """A run in one piece, and the same in three."""
    root = tmp_path_factory.mktemp("merging")
    evaluate(RandomGuess(), toolbox, root / "whole", model="baseline:random")
    for number in (1, 2, 3):
        part = RunPart(number, 3)
        evaluate(RandomGuess(), toolbox, root / f"part{number}", model="baseline:random", part=part)
    return root


@pytest.fixture
def parts(whole):
    return [whole / f"part{number}" for number in (1, 2, 3)]


def test_parts_are_distinct_whole_and_have_some_of_every_task(whole, parts, toolbox):
    found = [asked(part) for part in parts]
    assert sorted(name for names in found for name in names) == sorted(item.id for item in toolbox.items)
    assert found[1] == [item.id for item in toolbox.items][1::3] == read_run(parts[1]).items
    assert read_run(parts[0]).tasks == read_run(whole / "whole").tasks


def test_merged_parts_are_the_run_in_one_piece(whole, parts, toolbox, tmp_path):
    scores = merge_runs(parts[::-1], tmp_path / "merged")
    assert (tmp_path / "merged" / "scores.json").read_bytes() == (whole / "whole" / "scores.json").read_bytes()
    assert asked(tmp_path / "merged") == [item.id for item in toolbox.items]
    run, single = read_run(tmp_path / "merged"), read_run(whole / "whole")
    assert run.model_copy(update={"started": "", "finished": "", "toolbox": ""}) == single.model_copy(
        update={"started": "", "finished": "", "toolbox": ""}
    )
    assert babyvlm.score(tmp_path / "merged") == scores
    evaluate(RandomGuess(), toolbox, tmp_path / "merged", model="baseline:random")  # nothing is left to ask


def test_what_is_missing_or_twice_or_another_run_is_named(whole, parts, toolbox, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DataFolderError, match=r"9 of 27 items are in none of the 2 runs .*every part"):
        merge_runs(parts[:2], out)
    with pytest.raises(ConfigError, match=r"part1: item .* is in .*part1 too"):
        merge_runs([parts[0], parts[0], *parts[1:]], out)
    with pytest.raises(ConfigError, match=r"whole: item .* too"):
        merge_runs([*parts, whole / "whole"], out)
    with pytest.raises(ConfigError, match="at least two runs"):
        merge_runs(parts[:1], out)
    other = tmp_path / "other"
    evaluate(RandomGuess(1), toolbox, other, model="baseline:random", seed=1, part=RunPart(3, 3))
    with pytest.raises(ConfigError, match=r"other: differs from .*part1 in more than its part .respondent"):
        merge_runs([*parts[:2], other], out)
    sampled = tmp_path / "sampled"
    evaluate(RandomGuess(), toolbox, sampled, model="baseline:random", part=RunPart(3, 3), ask=AskConfig(temperature=1))
    with pytest.raises(ConfigError, match=r"sampled: differs .*options"):
        merge_runs([*parts[:2], sampled], out)
    torn = tmp_path / "torn"
    shutil.copytree(parts[2], torn)
    said = json.loads((torn / "run.json").read_text())
    (torn / "run.json").write_text(json.dumps(said | {"finished": ""}))
    with pytest.raises(DataFolderError, match=r"torn: the run is not finished"):
        merge_runs([*parts[:2], torn], out)
    assert not out.exists()
    with pytest.raises(OutputExistsError):
        merge_runs(parts, whole)


def test_another_part_is_not_mixed_in(whole, parts, toolbox):
    with pytest.raises(ConfigError, match=r"part1: holds another run .items was 9 listed, now 9 listed"):
        evaluate(RandomGuess(), toolbox, parts[0], model="baseline:random", part=RunPart(2, 3))


@pytest.mark.parametrize("text", ["2", "0/3", "4/3", "1/0", "a/b", "1/2/3"])
def test_what_is_no_part(text):
    with pytest.raises(ConfigError, match=f"--part {text} is no part"):
        RunPart.read(text)


def test_the_commands_with_control_rows(toolbox, tmp_path, capsys):
    for number in (1, 2):
        typed = ["evaluate", "baseline:random", str(toolbox.folder), "--out", str(tmp_path / f"run{number}")]
        main([*typed, "--part", f"{number}/2", "--nulls", "--limit", "3"])
    assert "Next: babyvlm merge" in capsys.readouterr().err
    main(["merge", str(tmp_path / "run1"), str(tmp_path / "run2"), "--out", str(tmp_path / "merged")])
    assert "mean of sub-tasks" in capsys.readouterr().out
    nulls = {path.name for path in (tmp_path / "merged" / "nulls").iterdir()}
    assert nulls == {path.name for path in (tmp_path / "run1" / "nulls").iterdir()} and "majority" in nulls
    assert len(asked(tmp_path / "merged" / "nulls" / "majority")) == len(asked(tmp_path / "merged")) == 9
    babyvlm.report([tmp_path / "merged", tmp_path / "merged" / "nulls" / "majority"], tmp_path / "page.html", browse=0)
