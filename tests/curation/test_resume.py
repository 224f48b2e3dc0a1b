"""A curation that is killed goes on where it stopped, with the same bytes; a cluster's workers make the same."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from babyvlm.cli import main
from babyvlm.curation import PretrainingSet, curate
from babyvlm.curation.pipeline import shards_beside
from babyvlm.errors import ConfigError, OutputExistsError
from babyvlm.executors import dask_executor
from babyvlm.images import ImageStoreWriter
from tests.curation.folders_alike import same_bytes


def killed_after(seconds: float, corpus: Path, out: Path) -> bool:
    """Curates in a forked process that is killed after a while; whether it was killed before its end."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        curate(corpus, out, workers=1)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def finish(corpus: Path, out: Path) -> None:
    """Gives the same command again, which a set that is whole refuses."""
    with contextlib.suppress(OutputExistsError):
        curate(corpus, out, workers=1)


def test_killed_at_any_moment_it_ends_with_the_same_bytes(small_corpus: Path, tmp_path: Path) -> None:
    began_s = time.monotonic()
    curate(small_corpus, tmp_path / "whole", workers=1)
    lasts_s = time.monotonic() - began_s
    out = tmp_path / "killed"
    kills = sum(
        killed_after(lasts_s * share, small_corpus, out) for share in (0.02, 0.2, 0.4, 0.6, 0.8) if not out.exists()
    )
    finish(small_corpus, out)
    assert kills and same_bytes(tmp_path / "whole", out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "whole"]


def test_killed_while_the_set_is_put_together_it_ends_with_the_same_bytes(
    small_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("babyvlm.images.LINKED_BYTES", 1)  # every file of a shard is taken over as it is
    shards = tmp_path / "shards"
    curate(small_corpus, tmp_path / "whole", workers=1, shards=shards)
    before = {path: path.read_bytes() for path in shards.rglob("*") if path.is_file()}
    monkeypatch.setattr("babyvlm.curation.shards.look", lambda *_: pytest.fail("decoded again"))
    real = ImageStoreWriter.add_store
    for recordings in range(3):
        done: list[Path] = []

        def add_some(writer: ImageStoreWriter, folder: Path, done: list[Path] = done, most: int = recordings) -> None:
            if len(done) == most:
                os._exit(9)
            real(writer, folder)
            done.append(folder)

        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            ImageStoreWriter.add_store = add_some  # type: ignore[method-assign]
            curate(small_corpus, tmp_path / "killed", workers=1, shards=shards)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9 and not (tmp_path / "killed").exists()
    curate(small_corpus, tmp_path / "killed", workers=1, shards=shards)
    assert same_bytes(tmp_path / "whole", tmp_path / "killed")
    assert {path: path.read_bytes() for path in shards.rglob("*") if path.is_file()} == before
    assert (
        len(PretrainingSet(tmp_path / "killed").images) == PretrainingSet(tmp_path / "killed").manifest.counts["frames"]
    )


def test_killed_between_the_set_and_its_shards_nothing_is_left_over(small_corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    curate(small_corpus, out, workers=1, shards=shards_beside(out))
    with pytest.raises(OutputExistsError):
        curate(small_corpus, out, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_finished_is_not_decoded_again(small_corpus: Path, tmp_path: Path, monkeypatch) -> None:
    shards = tmp_path / "shards"
    curate(small_corpus, tmp_path / "first", workers=1, shards=shards)
    monkeypatch.setattr("babyvlm.curation.shards.look", lambda *_: pytest.fail("decoded again"))
    curate(small_corpus, tmp_path / "second", workers=1, shards=shards)
    assert same_bytes(tmp_path / "first", tmp_path / "second")
    (shards / ".half-written").mkdir()
    curate(small_corpus, tmp_path / "third", workers=1, shards=shards)
    assert len(list(shards.iterdir())) == 3 and not shards_beside(tmp_path / "third").exists()


def test_dask_workers_make_the_same_bytes(small_corpus: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install 'babyvlm[cluster]'")
    curate(small_corpus, tmp_path / "alone", workers=1)
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None)
    with cluster, dask_executor(cluster.scheduler_address) as executor:
        curate(small_corpus, tmp_path / "cluster", workers=2, executor=executor)
    assert same_bytes(tmp_path / "alone", tmp_path / "cluster")
    assert PretrainingSet(tmp_path / "cluster").manifest.counts["clips"] == 21


def test_an_address_without_a_scheduler_is_told() -> None:
    pytest.importorskip("distributed", reason="dask is not installed: pip install 'babyvlm[cluster]'")
    with pytest.raises(ConfigError, match=r"no Dask scheduler answers at .*clusters\.md"), dask_executor("nonsense"):
        pass


@pytest.mark.case("one datum")
def test_the_command_clears_up_after_a_kill_right_after_its_end(small_corpus: Path, tmp_path: Path) -> None:
    words = ["curate", str(small_corpus), "--out", str(tmp_path / "set"), "--workers", "1"]
    main(words)
    (tmp_path / ".set.shards" / "left").mkdir(parents=True)
    with pytest.raises(SystemExit):
        main(words)  # which says that the set is there
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
