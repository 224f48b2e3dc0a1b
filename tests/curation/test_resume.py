"""A curation that is killed goes on where it stopped, with the same bytes; a cluster's workers make the same."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from babyvlm.cli import main
from babyvlm.curation import CurationConfig, PretrainingSet, curate, rows
from babyvlm.curation.pipeline import shards_beside
from babyvlm.curation.sets import RowWriter
from babyvlm.curation.writing import TablesWriter
from babyvlm.errors import ConfigError, DataFolderError, OutputExistsError
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


def rows_made(shards: Path) -> dict[Path, int]:
    """The recordings' rows that are whole, each with its inode."""
    return {path: path.stat().st_ino for path in shards.glob("[!.]*/rows-*")}


def test_killed_at_drawn_places_after_decoding_it_ends_with_the_same_bytes(small_corpus: Path, tmp_path: Path) -> None:
    """Places are the steps in which a recording's rows are made, named and strung together. Rows that were whole when
    the process was killed are those that end in the set."""
    whole, shards = tmp_path / "whole", tmp_path / "shards"
    curate(small_corpus, whole, workers=1, shards=shards)
    steps = [
        (pa.ipc, "new_file"), (rows, "selected_rows"), (Path, "write_text"), (Path, "rename"),
        (TablesWriter, "add"), (ImageStoreWriter, "add_store"), (RowWriter, "_write_group"),
    ]  # fmt: skip

    def curated(out: Path, killed_at: int | None) -> int:
        """Curates in a forked process that is killed before a step; how many steps there are, where it is not."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            done = 0

            def counting(real: Callable[..., object]) -> Callable[..., object]:
                def step(*given: object, **named: object) -> object:
                    nonlocal done
                    if done == killed_at:
                        os.kill(os.getpid(), signal.SIGKILL)
                    done += 1
                    return real(*given, **named)

                return step

            for owner, name in steps:
                setattr(owner, name, counting(getattr(owner, name)))
            curate(small_corpus, out, workers=1, shards=shards)
            os.write(writing, str(done).encode())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        os.close(writing)
        with os.fdopen(reading) as said:
            assert os.WIFSIGNALED(status) == (killed_at is not None)
            return int(said.read() or 0)

    def forget() -> None:
        for folder in shards.glob("[!.]*/rows-*"):
            shutil.rmtree(folder)

    forget()
    places = curated(tmp_path / "counted", None)
    kept = 0
    for number, place in enumerate(random.Random(0).sample(range(places), 12)):
        forget()
        out = tmp_path / f"killed-{number}"
        curated(out, place)
        assert not out.exists()
        before = rows_made(shards)
        curate(small_corpus, out, workers=1, shards=shards)
        assert same_bytes(whole, out)
        after = rows_made(shards)
        assert len(after) == 3 and before.items() <= after.items()
        kept += len(before)
        assert not list(shards.glob(".*"))
    assert places > 30 and kept > 6


def test_two_workers_select_the_same_bytes(small_corpus: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    curate(small_corpus, tmp_path / "one", workers=1, shards=shards)
    for folder in shards.glob("*/rows-*"):
        shutil.rmtree(folder)
    curate(small_corpus, tmp_path / "two", workers=2, shards=shards)
    assert same_bytes(tmp_path / "one", tmp_path / "two") and len(rows_made(shards)) == 3


def test_other_settings_make_other_rows(small_corpus: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    curate(small_corpus, tmp_path / "usual", workers=1, shards=shards)
    strict = CurationConfig(min_window=2, max_window=3)
    curate(small_corpus, tmp_path / "strict", strict, workers=1, shards=shards)
    curate(small_corpus, tmp_path / "alone", strict, workers=1)
    assert same_bytes(tmp_path / "strict", tmp_path / "alone") and len(rows_made(shards)) == 6
    assert not same_bytes(tmp_path / "usual", tmp_path / "strict")


def test_rows_that_do_not_read_are_named(small_corpus: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    curate(small_corpus, tmp_path / "usual", workers=1, shards=shards)
    for name, said in (("image.arrow", r"image\.arrow: does not read.*curate again"), ("counts.json", r"counts\.json")):
        path = next(shards.glob(f"*/rows-*/{name}"))
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataFolderError, match=said):
            curate(small_corpus, tmp_path / "again", workers=1, shards=shards)
        path.write_bytes(whole)


@pytest.mark.parametrize("sizes", [[1, 63, 64, 2047, 1, 1, 4096, 5000, 7], [2048, 2048], [3], [0, 5, 0], []])
def test_rows_added_in_batches_make_the_file_of_rows_added_singly(sizes: list[int], tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.string()), ("images", pa.list_(pa.string())), ("start_s", pa.float64())])
    every = [
        {"id": f"r{n}", "images": [f"i{m}" for m in range(n % 4)], "start_s": None if n % 5 == 0 else n / 3}
        for n in range(sum(sizes))
    ]
    with RowWriter(tmp_path / "singly", schema) as writer:
        for row in every:
            writer.add(row)
    at = 0
    with RowWriter(tmp_path / "batches", schema) as writer:
        for size in sizes:
            writer.add_batch(pa.RecordBatch.from_pylist(every[at : at + size], schema=schema))
            at += size
    assert (tmp_path / "singly").read_bytes() == (tmp_path / "batches").read_bytes()
    groups = pq.ParquetFile(tmp_path / "batches").metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [
        min(2048, len(every) - start) for start in range(0, len(every), 2048)
    ]


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
