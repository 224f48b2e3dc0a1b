"""A run that begins with another's finished stage, or with converted weights.

    CHECKPOINT/ ── sizes are the recipe's ── every weight loads ──> OUT/STAGE/, OUT/tokenizer/, OUT/start.json
    CHECKPOINT/../contrastive/ ── where the recipe has words of that stage's own ──> OUT/contrastive/

Later stages then go on from there as they do from a stage of their own run.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, ViTConfig

from babyvlm.errors import CheckpointError, ConfigError
from babyvlm.folders import MANIFEST, Manifest, fresh_folder, read_manifest, whole_file
from babyvlm.model.dual_encoder import load_dual_encoder
from babyvlm.model.llava_config import BabyLlavaConfig
from babyvlm.model.loading import load_config, load_exactly, load_tokenizer, load_tower
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.names import STAGES, StageName
from babyvlm.records import IMAGE_TOKEN, Record, read_record
from babyvlm.training.configuration import Recipe

START = "start.json"
TOKENIZER = "tokenizer"
"""Folder of a run's tokenizer, and kind of its manifest."""
UNKNOWN_LICENCE = "restricted: a checkpoint that went into it does not say its recordings' licences"


class Start(Record):
    """What a run began with."""

    stage: StageName
    name: str
    """The recipe of the run it is from, or the published checkpoint it was converted from."""
    digest: str
    """Of the checkpoint's manifest."""
    licences: tuple[str, ...]
    """Of the recordings it was trained on."""
    contrastive: str = ""
    """Digest of the manifest of the contrastive stage beside it, whose words the recipe takes; empty where none is."""

    @property
    def stages(self) -> dict[StageName, str]:
        """Those that the run holds of it, with the digests of their manifests."""
        return {self.stage: self.digest} | ({"contrastive": self.contrastive} if self.contrastive else {})

    @property
    def later_stages(self) -> tuple[StageName, ...]:
        """Those that go on from it."""
        return STAGES[STAGES.index(self.stage) + 1 :]

    def __str__(self) -> str:
        return f"the {self.stage} stage of `{self.name}` (manifest digest `{self.digest}`)"


def manifest_digest(checkpoint: Path) -> str:
    """Of a checkpoint, by which what is made of it names it."""
    return hashlib.sha256((checkpoint / MANIFEST).read_bytes()).hexdigest()[:16]


def read_start(checkpoint: Path, recipe: Recipe) -> Start:
    """Looks at a checkpoint to begin with; neither reads its weights nor writes anything.

    Args:
        checkpoint: A finished stage's folder, or what ``babyvlm convert`` wrote.
        recipe: What is to be trained from there.

    Raises:
        DataFolderError: It is no checkpoint of ours.
        CheckpointError: It is another kind of model than its manifest says.
        ConfigError: Its sizes are not the recipe's, or no stage comes after it.
    """
    manifest = read_manifest(checkpoint, "checkpoint")
    made, stage = manifest.configuration, manifest.configuration.get("stage")
    config = load_config(checkpoint)
    if stage not in STAGES or not isinstance(config, ViTConfig if stage == "vision" else BabyLlavaConfig):
        raise CheckpointError(f"holds a model of type {config.model_type}, of stage {stage!r}", path=checkpoint)
    apart = {
        f"model.{setting}": (getattr(recipe.model, setting), found)
        for setting, found in _sizes(config).items()
        if getattr(recipe.model, setting) != found
    }
    if apart:
        said = ", ".join(f"{setting} is {ours} here and {found} there" for setting, (ours, found) in apart.items())
        settings = " ".join(f"{setting}={found}" for setting, (_, found) in apart.items())
        raise ConfigError(f"{checkpoint}: sizes that are not the {recipe.name} recipe's: {said}. Set {settings}")
    start = Start(
        stage=stage,
        name=made.get("converted_from") or made.get("recipe", checkpoint.resolve().name),
        digest=manifest_digest(checkpoint),
        licences=licences_of(manifest),
    )
    beside = _contrastive_beside(checkpoint)
    if recipe.instruction.own_words and "contrastive" not in start.later_stages and (beside / MANIFEST).is_file():
        licences = {*start.licences, *licences_of(read_manifest(beside, "checkpoint"))}
        changes = {"licences": tuple(sorted(licences)), "contrastive": manifest_digest(beside)}
        start = start.model_copy(update=changes)
    if not start.later_stages:
        raise ConfigError(f"{checkpoint}: no stage comes after the {stage} stage; begin with one before it")
    return start


def begin_with(checkpoint: Path, start: Start, out: Path) -> None:
    """Makes a checkpoint a finished stage of a run; a run that began with it already is left as it is.

    Args:
        checkpoint: What :func:`read_start` has looked at.
        start: What it found.
        out: The run's folder.

    Raises:
        CheckpointError: Weights or tokenizer are not exactly the model's.
        ConfigError: The run began otherwise.
    """
    begun = read_run_start(out)
    if begun not in (None, start):
        raise ConfigError(f"{out}: this run began with {begun}, not with {checkpoint}. Choose another --out")
    if begun is None and (there := [stage for stage in STAGES if (out / stage).exists()]):
        raise ConfigError(f"{out}: this run has a {there[0]} stage of its own. Choose another --out")
    if (out / start.stage).exists():
        return
    if start.stage == "vision":
        load_tower(checkpoint)
    else:
        model = load_exactly(BabyLlavaForConditionalGeneration, checkpoint)
        tokenizer = load_tokenizer(checkpoint)
        if (found := tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)) != (token := model.config.image_token_index):
            raise CheckpointError(
                f"the tokenizer is not this model's: it has {IMAGE_TOKEN} at {found}, the model at {token}",
                path=checkpoint,
            )
        shutil.rmtree(out / TOKENIZER, ignore_errors=True)
        with fresh_folder(out / TOKENIZER) as partial:
            tokenizer.save_pretrained(partial)
            Manifest(kind=TOKENIZER, inputs={"start": start.digest}).write(partial)
    if start.contrastive:
        load_dual_encoder(_contrastive_beside(checkpoint))
    with whole_file(out / START) as file:
        file.write(start.model_dump_json(indent=2) + "\n")
    if start.contrastive and not (out / "contrastive").exists():
        _copy(_contrastive_beside(checkpoint), out / "contrastive")
    _copy(checkpoint, out / start.stage)


def _copy(checkpoint: Path, to: Path) -> None:
    with fresh_folder(to) as partial:
        shutil.copytree(checkpoint, partial, dirs_exist_ok=True)


def _contrastive_beside(checkpoint: Path) -> Path:
    """The contrastive stage of the run that a stage is of; it need not be there."""
    return checkpoint.resolve().parent / "contrastive"


def licences_of(manifest: Manifest) -> tuple[str, ...]:
    """Licences of the recordings that went into a checkpoint."""
    return tuple(manifest.configuration.get("licences", (UNKNOWN_LICENCE,)))


def read_run_start(out: Path) -> Start | None:
    """What the run in a folder began with; None where it began with nothing."""
    path = out / START
    return read_record(path, Start) if path.is_file() else None


def _sizes(config: PretrainedConfig) -> dict[str, Any]:
    """The settings of ``recipe.model`` that a checkpoint settles."""
    vision: Any = config.vision_config if isinstance(config, BabyLlavaConfig) else config
    sizes = {
        "image_size": vision.image_size,
        "patch_size": vision.patch_size,
        "stem": tuple(getattr(vision, "stem", ())),
        "vision_width": vision.hidden_size,
        "vision_layers": vision.num_hidden_layers,
        "vision_heads": vision.num_attention_heads,
        "vision_mlp_ratio": vision.intermediate_size / vision.hidden_size,
    }
    if not isinstance(config, BabyLlavaConfig):
        return sizes
    text: Any = config.text_config
    return sizes | {
        "image_fit": config.image_fit,
        "text_width": text.hidden_size,
        "text_layers": text.num_hidden_layers,
        "text_heads": text.num_attention_heads,
        "text_kv_heads": text.num_key_value_heads,
        "text_intermediate": text.intermediate_size,
        "vocabulary": text.vocab_size - 1,
        "context": text.max_position_embeddings,
        "rope_theta": text.rope_parameters["rope_theta"],
        "text_norm_eps": text.rms_norm_eps,
        "tie_embeddings": config.tie_word_embeddings,
    }
