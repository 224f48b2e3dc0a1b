"""What a run is made of. A run knows its data: every stage of it is of one set, one tokenizer and one start.

    OUT/inputs.json              the set's content: its digest, and that of each of its files
    OUT/tokenizer/manifest.json  the set, or the start, that the tokenizer is of
    OUT/STAGE/manifest.json      set, tokenizer and start of the stage, and the licences of all that went into it

Licences are carried by the stages themselves, never worked out from the arguments of the last command.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from babyvlm.curation.content import Content, content_of
from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import ConfigError
from babyvlm.folders import MANIFEST, read_manifest, whole_file
from babyvlm.names import STAGES, StageName
from babyvlm.records import read_record
from babyvlm.training.start import TOKENIZER, licences_of, manifest_digest, read_run_start

INPUTS = "inputs.json"


def claim_inputs(out: Path, data: PretrainingSet) -> None:
    """Notes the set that a new run is made of, or makes sure that a begun one is of this set.

    Args:
        out: The run's folder, with its ``start.json`` if it begins with a checkpoint.
        data: The curated set.

    Raises:
        ConfigError: The run, its tokenizer or one of its stages is of another set, tokenizer or start, or a stage that
            it began with has been replaced.
    """
    path = out / INPUTS
    noted = read_record(path, Content) if path.is_file() else None
    found = content_of(data.folder, noted.files if noted else None)
    if noted is not None and noted.digest != found.digest:
        changed = sorted(
            name
            for name in noted.files.keys() | found.files.keys()
            if noted.files.get(name) is None
            or found.files.get(name) is None
            or noted.files[name].sha256 != found.files[name].sha256
        )
        raise ConfigError(
            f"{out}: this run was begun with another set (content {noted.digest}) than {data.folder} (content "
            f"{found.digest}; {len(changed)} files differ, {changed[0]} for one). {_REMEDY}"
        )
    _refuse_foreign_parts(out, found.digest)
    if noted != found:
        with whole_file(path) as file:
            file.write(found.model_dump_json(indent=1) + "\n")


_REMEDY = "Choose another --out; with --start OUT/STAGE it begins with a finished stage of another run"


def _refuse_foreign_parts(out: Path, digest: str) -> None:
    """Makes sure that every part of the run is of this set, however it came into the folder."""
    start = read_run_start(out)
    begun_with = start.stages if start else {}
    for stage, copied in begun_with.items():
        whole = (out / stage / MANIFEST).is_file()
        if (out / stage).exists() and not (whole and manifest_digest(out / stage) == copied):
            raise ConfigError(f"{out / stage}: it is not the stage that this run began with. {_REMEDY}")
    own = [stage for stage in STAGES if (out / stage).exists() and stage not in begun_with]
    expected = {str(stage): stage_inputs(out, stage, digest) for stage in own}
    if (out / TOKENIZER).exists():
        expected[TOKENIZER] = {"start": start.digest} if start and start.stage != "vision" else {"data": digest}
    for part, inputs in expected.items():
        made_of = read_manifest(out / part, TOKENIZER if part == TOKENIZER else "checkpoint").inputs
        differing = sorted(name for name in inputs.keys() | made_of.keys() if inputs.get(name) != made_of.get(name))
        if differing:
            named = " and another ".join("set" if name == "data" else name for name in differing)
            raise ConfigError(f"{out / part}: it was made with another {named} than this run's. {_REMEDY}")


def data_digest(out: Path) -> str:
    """Digest of the content of the set that a run is made of."""
    return read_record(out / INPUTS, Content).digest


def tokenizer_digest(out: Path) -> str:
    """Digest of the run's tokenizer; empty where there is none."""
    path = out / TOKENIZER / "tokenizer.json"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""


def stage_inputs(out: Path, stage: StageName, digest: str) -> dict[str, str]:
    """What a stage of the run is made of, for its manifest."""
    start = read_run_start(out)
    inputs = {"data": digest} | ({"start": start.digest} if start else {})
    return inputs if stage == "vision" else inputs | {"tokenizer": tokenizer_digest(out)}


def licences_so_far(out: Path) -> set[str]:
    """Licences of all that went into the stages that a run holds, and into what it began with."""
    start = read_run_start(out)
    return set(start.licences if start else ()).union(*(_licences(out / stage) for stage in STAGES))


def _licences(stage: Path) -> Iterable[str]:
    return licences_of(read_manifest(stage, "checkpoint")) if (stage / MANIFEST).is_file() else ()
