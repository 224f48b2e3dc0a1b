"""The stages in order, each one's output the next one's declared input.

OUT/tokenizer/     byte-level BPE of the training text
OUT/vision/        the self-distilled tower
OUT/contrastive/   on request, that tower and an encoder of utterances
OUT/language/      the whole model: that tower, the language model trained on text
OUT/alignment/ ──> OUT/joint/ ──> OUT/instruction/     whole models
OUT/ladder/        on request, the models of some stages at earlier points
OUT/recipe.json    every resolved setting
OUT/inputs.json    the content of the set that all of it is of
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from accelerate import PartialState
from transformers import PreTrainedTokenizerBase

from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import CheckpointError, ConfigError, DataFolderError, TrainingError
from babyvlm.folders import Manifest, fresh_folder, whole_file
from babyvlm.heard import Heard
from babyvlm.model.configuration import model_config
from babyvlm.model.dual_encoder import DualEncoderConfig, TextReader, load_dual_encoder
from babyvlm.model.llava_config import BabyLlavaConfig
from babyvlm.model.loading import load_exactly, load_tokenizer, load_tower
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import image_processor
from babyvlm.model.sight import require_sight
from babyvlm.model.tokenizer import train_tokenizer
from babyvlm.names import MODEL_STAGES, STAGES, StageName
from babyvlm.parts import part_of
from babyvlm.training.batches import Sample
from babyvlm.training.checkpoints import Resume
from babyvlm.training.configuration import (
    OWN_WORDS,
    LanguageStage,
    MixturePhase,
    MultimodalStage,
    Recipe,
    saved_settings,
)
from babyvlm.training.connector import take_connector, whiten_connector
from babyvlm.training.contrastive_configuration import ContrastiveStage
from babyvlm.training.contrastive_loop import HeldOutPairs, new_dual_encoder, train_dual_encoder
from babyvlm.training.distillation import train_tower
from babyvlm.training.distribution import HasState
from babyvlm.training.inputs import claim_inputs, data_digest
from babyvlm.training.kernels import attention_of, require_kernels
from babyvlm.training.ladder import Course, SaveKept
from babyvlm.training.loop import train_language_model
from babyvlm.training.nodes import decided, decided_by_node, is_of_a_lost_process, node_cache, wait_for_all
from babyvlm.training.outputs import StageOutputs, needed_by, stages_behind
from babyvlm.training.own_words import own_samples, write_own_words
from babyvlm.training.pictures import PixelTable
from babyvlm.training.precision import on_this_machine
from babyvlm.training.probe import Probe
from babyvlm.training.room import require_room, table_formats
from babyvlm.training.run import RunContext, accelerator_for
from babyvlm.training.stage_data import StageData
from babyvlm.training.start import TOKENIZER, begin_with, manifest_digest, read_run_start, read_start
from babyvlm.training.trackers import require_wandb
from babyvlm.training.validation import Validation


def possible_stages(data: PretrainingSet, recipe: Recipe) -> tuple[StageName, ...]:
    """The recipe's stages, without the last where the set has no instruction samples."""
    left_out = {"contrastive": not recipe.contrastive.included, "instruction": not data.has_instruction}
    return tuple(stage for stage in STAGES if not left_out.get(stage))


_OTHERWISE = ", --start with a stage that has one beside it, or go without: instruction.own_words=0"


class Trainer:
    """Runs the stages of a recipe on one curated set.

    Args:
        recipe: The resolved configuration.
        data: The curated set.
        out: The run's folder; finished stages in it are kept.
        wandb: Project at Weights & Biases that gets the figures too.
        start: Checkpoint to begin with, in place of the stage it is of and those before.
        cache: Folder of this machine for decoded pictures, which are kept there; None for one that lives as long as the
            stages that use it.

    Raises:
        CheckpointError: ``start`` does not load exactly.
        ConfigError: ``out`` holds a run of another recipe, set or start, ``start`` is of other sizes, or this torch has
            not the attention asked for.
        MissingExtraError: ``wandb`` is given, and it is not installed.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: PretrainingSet,
        out: Path,
        wandb: str | None = None,
        start: Path | None = None,
        cache: Path | None = None,
    ) -> None:
        if wandb is not None:
            require_wandb()
        require_kernels(recipe)
        # Without a GPU, accelerate sees several processes only when it is told to use the CPU.
        on_cpu = "WORLD_SIZE" in os.environ and not torch.cuda.is_available()
        computed = on_this_machine(recipe, PartialState(cpu=on_cpu).device)
        self.recipe, self.data, self.out = computed, data, out
        self.accelerator = accelerator_for(computed, cpu=on_cpu)
        if computed.precision != recipe.precision:
            self.accelerator.print(
                f"this processor has no instructions for bfloat16 (precision={recipe.precision}): computing in float32"
            )
        if self.accelerator.is_main_process:
            self.claim(out, recipe, data, start)
        wait_for_all(self.accelerator)
        self._digest = decided(self.accelerator, lambda: data_digest(out))
        self._cache = node_cache(cache, out, self.accelerator)
        self._prepared = StageData(computed, data, self._cache, self.accelerator, self._digest)
        self._outputs = StageOutputs(computed, data, out, self.accelerator, self._digest, self.tokenizer)
        self._asked: Sequence[StageName] = STAGES
        self.context = RunContext(
            recipe=computed, accelerator=self.accelerator, out=out, data=self._digest, wandb=wandb
        )

    @staticmethod
    def claim(out: Path, recipe: Recipe, data: PretrainingSet, start: Path | None = None) -> None:
        """Makes ``out`` the run folder of this recipe, set and start, or makes sure that it is already."""
        begun = read_start(start, recipe) if start else None
        out.mkdir(parents=True, exist_ok=True)
        resolved = json.dumps(saved_settings(recipe), indent=2, sort_keys=True) + "\n"
        path = out / "recipe.json"
        if path.is_file() and path.read_text(encoding="utf-8") != resolved:
            raise ConfigError(
                f"{path}: this run was begun with another recipe. Choose another --out, or remove {out} first"
            )
        begun_writing = f".{path.name}.partial"  # by a call that was killed
        found = sorted(entry.name for entry in out.iterdir() if entry.name != begun_writing)
        if not path.is_file() and found:
            raise ConfigError(f"{out}: already holds {found[0]}, and no run of babyvlm train. Choose another --out")
        if not path.is_file():
            with whole_file(path) as file:
                file.write(resolved)
        if start and begun:
            begin_with(start, begun, out)
        claim_inputs(out, data)

    def run(self, stages: Sequence[StageName] = STAGES) -> None:
        """Runs the given stages, in their own order, leaving out those that are finished.

        Raises:
            CheckpointError: A stage needs one that is neither finished nor given.
        """
        self._asked, accelerator = stages, self.accelerator
        self._require_order(stages)
        if accelerator.num_processes > 1:
            nodes = self._cache.place.nodes
            kept = self._cache.folder if self._cache.kept else None
            decided_by_node(accelerator, lambda: require_room(self.recipe, self.data, stages, self.out, kept, nodes))
        for stage in STAGES:
            if stage in stages and not self._is_finished(stage):
                torch.manual_seed(self.recipe.seed)
                try:
                    self._stage(stage)
                except torch.cuda.OutOfMemoryError as error:
                    raise TrainingError(
                        f"the GPU ran out of memory in the {stage} stage ({error}). Set gradient_checkpointing=true, "
                        f"lower {stage}.micro_batch{'' if stage == 'vision' else '_tokens'}, or start several processes"
                    ) from error
                except RuntimeError as error:
                    if accelerator.num_processes == 1 or not is_of_a_lost_process(error):
                        raise
                    raise TrainingError(
                        f"the {stage} stage lost another process, which ended or does not answer ({error}). Its own "
                        "output says why; the same command resumes from the last checkpoint"
                    ) from error
                if table_formats(self.recipe, stage, stages) == table_formats(self.recipe, stage, [stage]):
                    self._cache.clear()  # or the next stage takes the same pictures
            if self.accelerator.is_main_process and (self.out / stage).exists():
                self._resume(stage).clear()  # of the stage, also where a kill right after its end left it
        self._cache.clear()

    def _require_order(self, stages: Sequence[StageName]) -> None:
        """Refuses stages that need one neither finished nor asked for, before the first of them is trained."""
        unfinished = [stage for stage in STAGES if not self._is_finished(stage)]
        for stage in unfinished:
            for before, taken in needed_by(stage, self.recipe).items() if stage in stages else ():
                if before in unfinished and before not in stages:
                    raise CheckpointError(
                        f"the {stage} stage needs the {before} stage ({taken}), neither finished nor asked for",
                        path=self.out / before,
                        remedy=f"Run --stage {before} first, or name both{_OTHERWISE if 'own_words' in taken else ''}",
                    )

    def _is_finished(self, stage: StageName) -> bool:
        return decided(self.accelerator, lambda: (self.out / stage).exists())

    def _stage(self, stage: StageName) -> None:
        if stage == "vision":
            self._vision()
        elif stage == "language":
            self._language()
        elif stage == "contrastive":
            self._contrastive()
        else:
            self._multimodal(stage)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The run's tokenizer, trained on the training split's utterances and instruction text at first use."""
        folder = self.out / TOKENIZER
        if self.accelerator.is_main_process and not folder.exists():
            texts = [utterance.text for utterance in self.data.utterances("train")]
            if self.data.has_instruction:
                for conversation in self.data.conversations("instruction", "train"):
                    texts += [text for turn in conversation.turns for text in (turn.prompt, turn.answer)]
            shape = self.recipe.model
            with fresh_folder(folder) as partial:
                train_tokenizer(texts, shape.vocabulary, shape.context).save_pretrained(partial)
                Manifest(kind=TOKENIZER, inputs={"data": self._digest}).write(partial)
        wait_for_all(self.accelerator)
        return load_tokenizer(folder)

    def _vision(self) -> None:
        recipe, settings, accelerator = self.recipe, self.recipe.vision, self.accelerator
        frames = self._prepared.frames()
        if frames is None:
            raise DataFolderError("no training frames for the vision stage", path=self.data.folder)
        resume, aspects_N = self._resume("vision"), frames.aspects_N if settings.uncropped else None
        held_out = self._prepared.held_out_frames()
        if held_out is None:
            self._say_no_validation("vision")
        probe = Probe(self.data, recipe.model) if accelerator.is_main_process and settings.probes != 0 else None
        teacher, log = train_tower(frames, self.context, resume, probe, aspects_N, held_out)
        if accelerator.is_main_process:
            with fresh_folder(self.out / "vision") as partial:
                teacher.save_pretrained(partial)
                image_processor(recipe.model.image_size, recipe.model.image_fit).save_pretrained(partial)
                self._outputs.finish(partial, "vision", log, {"vision": teacher.num_parameters()})
        wait_for_all(accelerator)

    def _say_no_validation(self, stage: StageName) -> None:
        if self.recipe.validations:
            self.accelerator.print(f"{stage}: the data hold nothing for validation; no held-out loss is measured")

    def _language(self) -> None:
        tokenizer = self.tokenizer()
        model = BabyLlavaForConditionalGeneration(self._config())
        tower = load_tower(self.out / "vision")
        model.model.vision_tower.load_state_dict(tower.state_dict())
        settings = self.recipe.language
        log = train_language_model(
            model.to(self.accelerator.device),
            self._prepared.text(tokenizer, "train"),
            None,
            run=self.context,
            stage="language",
            optimisation=settings.optimisation,
            trains=("language",),
            mixture=(MixturePhase(),),
            micro_batch_tokens=settings.micro_batch_tokens,
            cache_vision_features=False,
            validation=self._validated("language", self._prepared.text(tokenizer, "validation")),
            course=self._model_course("language", config_of(model)),
        )
        self._save(model, "language", log)

    def _contrastive(self) -> None:
        recipe, settings, accelerator = self.recipe, self.recipe.contrastive, self.accelerator
        encoder, reader = new_dual_encoder(recipe, self.out, self.data, self.tokenizer)
        pairs, pictures, unknown = self._prepared.pairs(reader)
        if unknown:
            accelerator.print(f"contrastive: left out {unknown:,} pairs of which no word is known")
        resume = self._resume("contrastive")
        config, held_out = encoder.config, self._held_out_pairs(reader)
        assert isinstance(config, DualEncoderConfig)

        def save(folder: Path, state: HasState, log: str, heard: Heard | None) -> None:
            self._outputs.dual_encoder(folder, state, config, log, heard)

        course = self._course("contrastive", save)
        log = train_dual_encoder(encoder, pairs, pictures, self.context, settings, resume, held_out, course)
        save(self.out / "contrastive", encoder, log, None)

    def _held_out_pairs(self, reader: TextReader) -> HeldOutPairs | None:
        held_out = self._prepared.held_out_utterances(reader)
        if held_out is None:
            self._say_no_validation("contrastive")
            return None
        pairs, pictures = held_out
        return HeldOutPairs(pairs=pairs, pictures=pictures)

    def _multimodal(self, stage: StageName) -> None:
        settings: MultimodalStage = getattr(self.recipe, stage)
        before = MODEL_STAGES[MODEL_STAGES.index(stage) - 1]
        tokenizer = self.tokenizer()
        attention = attention_of(self.recipe, self.accelerator.device)
        model = load_exactly(BabyLlavaForConditionalGeneration, self.out / before, attn_implementation=attention)
        prepared = self._prepared.samples(stage, tokenizer, self._asked)
        if prepared.too_long:
            done = "left out" if settings.samples.too_long == "leave out" else "cut"
            context = self.recipe.model.context
            self.accelerator.print(f"{stage}: {done} {prepared.too_long:,} conversations longer than {context} tokens")
        if not prepared.sources or prepared.pictures is None:
            raise DataFolderError(f"no training samples of {', '.join(settings.formats)}", path=self.data.folder)
        sources, views = dict(prepared.sources), None
        if settings.own_words:
            shape, behind = self.recipe.model, len(prepared.pictures)
            sources[OWN_WORDS], views = own_samples(
                self._own_words(), tokenizer, settings, image_token=shape.vocabulary, image_tokens=shape.image_tokens,
                behind=behind,
            )  # fmt: skip
        if stage == "alignment" and self.recipe.tower_from == "contrastive":
            encoded, _ = load_dual_encoder(self.out / "contrastive")
            model.model.vision_tower.load_state_dict(encoded.vision_tower.state_dict())
        if settings.connector_from is not None:
            take_connector(model, self.out / settings.connector_from)
        if settings.whiten_connector:
            whiten_connector(model, prepared.pictures, self.recipe.seed)
        with self.accelerator.autocast():
            require_sight(model.to(self.accelerator.device), self.out / before)
        log = train_language_model(
            model,
            sources,
            prepared.pictures,
            run=self.context,
            stage=stage,
            views=views,
            optimisation=settings.optimisation,
            trains=settings.trains,
            mixture=settings.mixture,
            micro_batch_tokens=settings.micro_batch_tokens,
            cache_vision_features=settings.cache_vision_features,
            vision_until=settings.vision_until,
            begin_again=self._beginning_again(model, settings, prepared.pictures) if settings.begin_again else None,
            validation=self._held_out_samples(stage, tokenizer),
            course=self._model_course(stage, config_of(model)),
        )
        self._save(model, stage, log)

    def _beginning_again(
        self, model: BabyLlavaForConditionalGeneration, settings: MultimodalStage, pictures: PixelTable
    ) -> Callable[[], None]:
        """A call that gives all parts but the tower back the weights they have now, and whitens the connector again."""
        first = {name: value.clone() for name, value in model.state_dict().items() if part_of(name) != "vision"}

        def begin_again() -> None:
            model.load_state_dict(first, strict=False)
            if settings.whiten_connector:
                whiten_connector(model, pictures, self.recipe.seed)

        return begin_again

    def _own_words(self) -> Path:
        """The folder of the items that the contrastive stage makes; made where they are not there yet."""
        recipe, folder, contrastive = self.recipe, self.out / OWN_WORDS, self.out / "contrastive"
        if not decided(self.accelerator, folder.exists):
            frames = self._prepared.frames_of_pairs()
            if self.accelerator.is_main_process:
                encoder, _ = load_dual_encoder(contrastive)
                write_own_words(
                    folder,
                    encoder.to(self.accelerator.device),
                    frames.pixels_NCHW,
                    frames.aspects_N,
                    items=recipe.instruction.own_words,
                    size=recipe.model.image_size,
                    seed=recipe.seed,
                    inputs={"data": self._digest, "contrastive": manifest_digest(contrastive)},
                )
        wait_for_all(self.accelerator)
        return folder

    def _held_out_samples(self, stage: StageName, tokenizer: PreTrainedTokenizerBase) -> Validation | None:
        """Some samples of the validation split, of every source."""
        held_out = self._prepared.held_out_samples(stage, tokenizer)
        return self._validated(stage, held_out.sources, held_out.pictures)

    def _validated(
        self, stage: StageName, sources: Mapping[str, Sequence[Sample]], pictures: PixelTable | None = None
    ) -> Validation | None:
        if not self.recipe.validations:
            return None
        validation = Validation(sources, pictures, with_accuracy=stage == "instruction")
        if not validation:
            self._say_no_validation(stage)
        return validation

    def _config(self) -> BabyLlavaConfig:
        config = model_config(self.recipe.model)
        config._attn_implementation = attention_of(self.recipe, self.accelerator.device)
        return config

    def _resume(self, stage: StageName) -> Resume:
        settings = {
            "stage": saved_settings(getattr(self.recipe, stage)),
            "seed": self.recipe.seed,
            "data": self._digest,
        }
        fingerprint = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return Resume(self.out, stage, fingerprint, self.accelerator)

    def _course(self, stage: StageName, save: SaveKept) -> Course:
        """The order of a stage's samples, and the checkpoints that it keeps."""
        settings: LanguageStage | MultimodalStage | ContrastiveStage = getattr(self.recipe, stage)
        return Course(
            stage=stage,
            order=settings.order,
            keep_at=settings.keep_at,
            recordings=self.data.recordings,
            earlier_stages=stages_behind(stage, self.recipe),
            began_elsewhere=read_run_start(self.out) is not None,
            out=self.out,
            save=save,
        )

    def _model_course(self, stage: StageName, config: BabyLlavaConfig) -> Course:
        def save(folder: Path, state: HasState, log: str, heard: Heard) -> None:
            self._outputs.whole_model(folder, state, config, stage, log, heard)

        return self._course(stage, save)

    def _save(self, model: BabyLlavaForConditionalGeneration, stage: StageName, log: str) -> None:
        self._outputs.whole_model(self.out / stage, model, config_of(model), stage, log, None)


def config_of(model: BabyLlavaForConditionalGeneration) -> BabyLlavaConfig:
    """The model's configuration, of its own type."""
    assert isinstance(model.config, BabyLlavaConfig)
    return model.config


def train_in_process(
    recipe: Recipe,
    data: Path,
    out: Path,
    stages: Sequence[StageName],
    wandb: str | None = None,
    cache: Path | None = None,
) -> None:
    """Runs stages in this process, which may be one of several."""
    Trainer(recipe, PretrainingSet(data), out, wandb, cache=cache).run(stages)
