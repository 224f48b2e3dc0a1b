"""Writes what a stage leaves: a model that loads alone, its log, its card and its manifest.

    OUT/STAGE/              the finished stage
    OUT/ladder/STAGE/MARK/  the same model earlier, with what it had heard

Each folder is whole or absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import PreTrainedTokenizerBase

from babyvlm.curation.sets import PretrainingSet
from babyvlm.folders import Manifest, fresh_folder
from babyvlm.heard import Heard
from babyvlm.model.dual_encoder import DualEncoder, DualEncoderConfig
from babyvlm.model.llava_config import BabyLlavaConfig
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import image_processor, processor
from babyvlm.names import MODEL_STAGES, STAGES, StageName
from babyvlm.parts import parameter_counts
from babyvlm.training.configuration import MultimodalStage, Recipe
from babyvlm.training.distribution import HasState, whole_weights
from babyvlm.training.inputs import licences_so_far, stage_inputs
from babyvlm.training.nodes import wait_for_all
from babyvlm.training.objectives import REGISTRY as OBJECTIVES
from babyvlm.training.start import read_run_start
from babyvlm.weights.card import CardFacts, stage_facts, write_model_card


def stages_behind(stage: StageName, recipe: Recipe) -> tuple[StageName, ...]:
    """The earlier stages that went into a stage's model, in order."""
    before = set(STAGES[: STAGES.index(stage)])
    if stage == "contrastive" and recipe.contrastive.text == "words":
        before.discard("language")
    if recipe.tower_from == "vision":
        before.discard("contrastive")
    return tuple(one for one in STAGES if one in before)


def needed_by(stage: StageName, recipe: Recipe) -> dict[StageName, str]:
    """The earlier stages whose folders a stage opens, each with what it takes from there."""
    taken: dict[StageName, str] = {}
    if stage == "language":
        taken["vision"] = "its tower"
    elif stage == "contrastive":
        taken["vision" if recipe.contrastive.text == "words" else "language"] = "its tower"
    elif stage != "vision":
        settings: MultimodalStage = getattr(recipe, stage)
        taken[MODEL_STAGES[MODEL_STAGES.index(stage) - 1]] = "its model"
        if settings.connector_from is not None:
            taken.setdefault(settings.connector_from, f"its connector, {stage}.connector_from")
        if stage == "alignment" and recipe.tower_from == "contrastive":
            taken["contrastive"] = "its tower, tower_from=contrastive"
        if settings.own_words:
            taken["contrastive"] = f"the word items it makes, {stage}.own_words={settings.own_words}"
    return taken


class StageOutputs:
    """Writes the models of a run.

    Args:
        recipe: The resolved configuration, as it is computed.
        data: The curated set.
        out: The run's folder.
        accelerator: The processes; the main one writes.
        digest: Of the set's content.
        tokenizer: Gives the run's.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: PretrainingSet,
        out: Path,
        accelerator: Accelerator,
        digest: str,
        tokenizer: Callable[[], PreTrainedTokenizerBase],
    ) -> None:
        self._recipe, self._data, self._out, self._digest = recipe, data, out, digest
        self._accelerator, self._tokenizer = accelerator, tokenizer

    def whole_model(
        self, folder: Path, state: HasState, config: BabyLlavaConfig, stage: StageName, log: str, heard: Heard | None
    ) -> None:
        """Writes a vision-language model; every process must call.

        Args:
            folder: Where it goes; absent.
            state: The model's, in float32, whole or in shards.
            config: The model's.
            stage: Which it is of.
            log: The stage's lines so far.
            heard: What it has heard, where it is kept before the stage's end.
        """
        weights = whole_weights(state, keep=self._accelerator.is_main_process)
        tokenizer = self._tokenizer()
        if self._accelerator.is_main_process:
            # A model in shards is of a class of its own, whose code transformers would not save.
            with torch.device("meta"):
                plain = BabyLlavaForConditionalGeneration(config)
            plain.load_state_dict(weights, assign=True)
            plain.tie_weights()
            with fresh_folder(folder) as partial:
                plain.save_pretrained(partial)
                processor(self._recipe.model, tokenizer).save_pretrained(partial)
                self.finish(partial, stage, log, parameter_counts(plain), heard)
        wait_for_all(self._accelerator)

    def dual_encoder(
        self, folder: Path, state: HasState, config: DualEncoderConfig, log: str, heard: Heard | None
    ) -> None:
        """Writes a dual encoder; every process must call.

        Args:
            folder: Where it goes; absent.
            state: The encoder's, in float32; names may begin with ``encoder.``.
            config: The encoder's.
            log: The stage's lines so far.
            heard: What it has heard, where it is kept before the stage's end.
        """
        if self._accelerator.is_main_process:
            with torch.device("meta"):
                encoder = DualEncoder(config)
            encoder.load_state_dict(
                {name.removeprefix("encoder."): tensor for name, tensor in whole_weights(state).items()}, assign=True
            )
            with fresh_folder(folder) as partial:
                encoder.save_pretrained(partial)
                shape = self._recipe.model
                image_processor(shape.image_size, shape.image_fit).save_pretrained(partial)
                if config.text_config is not None:
                    self._tokenizer().save_pretrained(partial)
                vision = encoder.vision_tower.num_parameters()
                counts = {"vision": vision, "language": encoder.num_parameters() - vision}
                self.finish(partial, "contrastive", log, counts, heard)
        wait_for_all(self._accelerator)

    def finish(
        self, partial: Path, stage: StageName, log: str, parameters: Mapping[str, int], heard: Heard | None = None
    ) -> None:
        """Adds log, card and manifest to a model's folder.

        Args:
            partial: The folder, with the model in it.
            stage: Which it is of.
            log: The stage's lines so far.
            parameters: Size of each part.
            heard: What it has heard, where it is kept before the stage's end.
        """
        recipe = self._recipe
        (partial / "metrics.jsonl").write_text(log, encoding="utf-8")
        finished = {one: self._out / one / "metrics.jsonl" for one in stages_behind(stage, recipe)}
        logs = {one: path.read_text(encoding="utf-8") for one, path in finished.items() if path.is_file()}
        began = read_run_start(self._out)
        licences = {recording.licence for recording in self._data.recordings} | licences_so_far(self._out)
        write_model_card(
            partial,
            CardFacts(
                stage=stage,
                recipe=recipe.name,
                parameters=dict(parameters),
                has_stem=bool(recipe.model.stem),
                seed=recipe.seed,
                data_digest=self._digest,
                data_counts=self._data.manifest.counts,
                licences=tuple(sorted(licences)),
                began_with=str(began or ""),
                stages=tuple(
                    stage_facts(one, lines, getattr(recipe, one).optimisation.batch_size)
                    for one, lines in [*logs.items(), (stage, log)]
                    if lines  # one kept before the first line has none of its stage
                ),
            ),
        )
        configuration = {
            "recipe": recipe.name,
            "stage": stage,
            "seed": recipe.seed,
            "precision": recipe.precision,
            "licences": sorted(licences),
        }
        Manifest(
            kind="checkpoint",
            configuration=configuration | ({"heard": heard.model_dump(mode="json")} if heard else {}),
            inputs=stage_inputs(self._out, stage, self._digest),
            extensions=OBJECTIVES.used([recipe.vision.objective]),
        ).write(partial)
