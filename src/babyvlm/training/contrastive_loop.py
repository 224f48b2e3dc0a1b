"""The training loop of the contrastive stage: one step can be followed here from front to back.

    step s ── pairs ── frames (uint8) ── to the device ── a view, or regions ──┐
              │        or a frozen tower's features ───────────────────────┴── loss ── clip ── AdamW ── log
              └─ words or tokens

Everything random in a step depends on (seed, step, process) alone, so that resume is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import ConfigError, DataFolderError
from babyvlm.model.dual_encoder import PAD_WORD, DualEncoder, DualEncoderConfig, TextReader, as_pixels
from babyvlm.model.loading import load_exactly, load_tower
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import normalise
from babyvlm.progress import progress
from babyvlm.training.ahead import Ahead, gathered
from babyvlm.training.checkpoints import Resume, ResumePoint
from babyvlm.training.colour import change_colours
from babyvlm.training.colour_configuration import ViewChanges
from babyvlm.training.configuration import Recipe
from babyvlm.training.contrastive import ContrastiveObjective, same_texts, word_rarities
from babyvlm.training.contrastive_configuration import ContrastiveStage
from babyvlm.training.distribution import Shared
from babyvlm.training.flops import linear_weights
from babyvlm.training.ladder import Course, DrawsSamples
from babyvlm.training.optimizers import Optimizers
from babyvlm.training.pair_plans import pair_plan
from babyvlm.training.pairs import PAIRS, Pairs, frequent_words
from babyvlm.training.run import RunContext
from babyvlm.training.samples import Pictures
from babyvlm.training.schedules import learning_rate_factor, weight_decay
from babyvlm.training.session import Session, StepFacts, measured_after, measured_every
from babyvlm.training.vision import cut_views

_ENCODE = 256
_HELD_OUT_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class PairInputs:
    """What a process takes of a step."""

    seen: torch.Tensor
    """Frames, uint8 BCSS, or a frozen tower's features BE; pinned where there is a GPU."""
    texts_BL: torch.Tensor
    groups_B: torch.Tensor
    generator: torch.Generator
    """Of the CPU; views are drawn from it."""


@dataclass(frozen=True, kw_only=True)
class HeldOutPairs:
    """Pairs of the validation split."""

    pairs: Pairs
    pictures: Pictures
    """At the model's size."""


def new_dual_encoder(
    recipe: Recipe, out: Path, data: PretrainingSet, tokenizer: Callable[[], PreTrainedTokenizerBase]
) -> tuple[DualEncoder, TextReader]:
    """The vision stage's tower, with what reads texts: new word vectors, or the language stage's model.

    Args:
        recipe: The resolved configuration.
        out: The run's folder, with those stages in it.
        data: Whose training utterances say which words there are.
        tokenizer: Gives the run's.
    """
    settings, text_config = recipe.contrastive, None
    words = list[str]()
    speaker = None
    if settings.text == "language":
        speaker = load_exactly(BabyLlavaForConditionalGeneration, out / "language").model
        text_config = speaker.language_model.config.to_dict()
    else:
        said = (one.text for one in data.utterances("train"))
        words = frequent_words(said, settings.least_count)
    tower = speaker.vision_tower if speaker else load_tower(out / "vision")
    config = DualEncoderConfig(
        vision_config=tower.config.to_dict(),
        text_config=text_config,
        words=words,
        width=settings.width,
        image_fit=recipe.model.image_fit,
        pool=settings.pool,
    )
    encoder = DualEncoder(config)
    encoder.vision_tower.load_state_dict(tower.state_dict())
    if speaker:
        encoder.language_model.load_state_dict(speaker.language_model.state_dict())
    return encoder, TextReader(config, tokenizer() if speaker else None)


def train_dual_encoder(
    encoder: DualEncoder,
    pairs: Pairs,
    pictures: Pictures,
    run: RunContext,
    settings: ContrastiveStage,
    resume: Resume,
    held_out: HeldOutPairs | None = None,
    course: Course | None = None,
) -> str:
    """Trains a dual encoder in place for the contrastive stage.

    Args:
        encoder: In float32, its tower as the stage before left it.
        pairs: What it learns from.
        pictures: Their frames: at the size that views are cut from, or at the model's where the tower is frozen.
        run: The recipe, the processes and the folder.
        settings: The stage.
        resume: Where the state of the stage is kept.
        held_out: Pairs to measure on, as often as the recipe says; None for none.
        course: The order of the pairs and the checkpoints to keep; None shuffles and keeps none.

    Returns:
        The log, as JSON lines.

    Raises:
        ConfigError: The batch does not divide by the processes.
        DataFolderError: There are fewer pairs than one.
        TrainingError: The loss is not finite, or it diverged.
    """
    recipe, optimisation, device = run.recipe, settings.optimisation, run.accelerator.device
    batch, sees = optimisation.batch_size, "vision" in settings.trains
    ready = _set_up(encoder, pairs, pictures, run, settings, resume)
    shared, optimizer, session, steps = ready.shared, ready.optimizer, ready.session, ready.steps
    validate_every = measured_every(steps, recipe.validations)
    flops = _flops_a_pair(encoder, run, settings)
    pad = PAD_WORD if settings.text == "words" else -1
    plan = pair_plan(pairs, course, batch, steps, recipe.seed)
    ladder = course.ladder(plan, pairs.by_source, steps, run.accelerator) if course and course.keep_at else None
    gather = _gatherer(pairs, plan, ready.seen_N, run, pad)

    with Ahead(gather, range(ready.done, steps), device) as ahead:
        for step in range(ready.done, steps):
            run.before_step(step)
            factor = learning_rate_factor(step, steps, optimisation)
            optimizer.scale(factor)
            optimizer.set_weight_decay(weight_decay(step, steps, optimisation))
            taken = ahead.take(step)
            seen = regions_of(taken, run, settings) if sees else taken.seen.to(device, non_blocking=True)
            with shared.row(0, 1):
                compared = shared.called(seen, taken.texts_BL.to(device), taken.groups_B.to(device), settings.regions)
                shared.backward(compared.loss)
            norm = shared.clip_gradients(optimisation.clip_norm, optimisation.clip_over)
            facts = StepFacts(
                samples=batch,
                tokens=batch * settings.regions * recipe.model.image_tokens,
                flops=batch * flops,
                learning_rate=optimisation.learning_rate * factor,
                waited_s=ahead.wait_s(),
            )
            averaged = {"loss": compared.loss.detach().float(), "accuracy": compared.right}
            session.record(step + 1, averaged, norm, facts)
            optimizer.step()
            shared.refresh()
            if held_out and measured_after(step + 1, steps, validate_every):
                with session.metrics.paused():
                    facts.held_out.update(held_out_figures(encoder, held_out, run, pad))
            if ladder and ladder.due(step + 1):
                with session.metrics.paused():
                    ladder.keep(step + 1, shared.state, session.metrics.log)
            session.finish_step(step + 1, {"dual_encoder": shared.state}, optimizer)
        log = session.close()
    shared.restore()
    return log


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """A stage before its next step."""

    shared: Shared
    optimizer: Optimizers
    session: Session
    seen_N: torch.Tensor
    """What pairs show: frames, or the features that a frozen tower makes of them."""
    steps: int
    done: int
    """Steps taken before an interruption."""


def _set_up(
    encoder: DualEncoder,
    pairs: Pairs,
    pictures: Pictures,
    run: RunContext,
    settings: ContrastiveStage,
    resume: Resume,
) -> _Ready:
    """The encoder, as given or as an interrupted stage left it, its optimizer, and the session that logs."""
    accelerator, recipe, optimisation = run.accelerator, run.recipe, settings.optimisation
    processes, batch = accelerator.num_processes, optimisation.batch_size
    if batch % processes:
        raise ConfigError(
            f"contrastive.optimisation.batch_size={batch} does not divide by {processes} processes: "
            f"set it to {max(1, batch // processes) * processes}, or start another number"
        )
    if not len(pairs):
        raise DataFolderError("no pair of the training split has a word that the contrastive stage knows")
    sees, speaks = "vision" in settings.trains, "language" in settings.trains
    steps = optimisation.steps or math.ceil((optimisation.epochs or 0) * len(pairs) / batch)
    encoder.vision_tower.requires_grad_(sees)
    if settings.text == "language":
        encoder.language_model.requires_grad_(speaks)
    encoder.bias.requires_grad_(settings.loss == "sigmoid")
    words = getattr(encoder.config, "words", ())
    rarities_V = word_rarities(pairs, len(words)).to(accelerator.device) if settings.shared_words else None
    objective = ContrastiveObjective(encoder.to(accelerator.device), settings, rarities_V).train()
    found = resume.load({"dual_encoder": objective})
    point = found or ResumePoint()
    seen_N = pictures.pixels_NCHW if sees else _features_of(encoder, pictures, run)
    shared = Shared(objective, accelerator, precision=recipe.precision)
    trained = shared.trained()
    accelerator.print(
        f"contrastive: {len(pairs):,} pairs, {steps:,} steps of {batch}; "
        f"trains {sum(parameter.numel() for _, parameter in trained):,} parameters; the tower is "
        + ("learned" if sees else "frozen")
    )
    optimizer = Optimizers(trained, optimisation)
    if found:
        resume.load_optimizer(optimizer)
    uniform_loss = math.log(batch) if settings.loss == "infonce" else batch * math.log(2)
    session = Session(run, "contrastive", steps, point=point, resume=resume, uniform_loss=uniform_loss)
    return _Ready(shared=shared, optimizer=optimizer, session=session, seen_N=seen_N, steps=steps, done=point.step)


def _gatherer(
    pairs: Pairs, plan: DrawsSamples, seen_N: torch.Tensor, run: RunContext, pad: int
) -> Callable[[int], PairInputs]:
    """Gathers what this process takes of a step."""
    accelerator, seed = run.accelerator, run.recipe.seed

    def gather(step: int) -> PairInputs:
        rank = accelerator.process_index
        mine_B = plan.drawn(step)[PAIRS][rank :: accelerator.num_processes]
        draw = np.random.default_rng([seed, step, rank])
        frames_B = pairs.frames(mine_B, draw.random(len(mine_B)))
        return PairInputs(
            seen=gathered([seen_N], frames_B, accelerator.device),
            texts_BL=pairs.texts(mine_B, pad),
            groups_B=torch.from_numpy(pairs.group_N[mine_B].astype(np.int64)),
            generator=torch.Generator().manual_seed(int(draw.integers(2**62))),
        )

    return gather


def regions_of(taken: PairInputs, run: RunContext, settings: ContrastiveStage) -> torch.Tensor:
    """Cuts a view of each frame, or its regions next to each other, on the device: (B R, C, H, W), normalised."""
    device, generator = run.accelerator.device, taken.generator
    if device.type != "cpu":
        generator = torch.Generator(device).manual_seed(generator.initial_seed())
    frames_BCSS = taken.seen.to(device, non_blocking=True).float() / 255
    scale = settings.view_scale if settings.regions == 1 else settings.region_scale
    views = [
        cut_views(
            frames_BCSS,
            run.recipe.model.image_size,
            scale,
            settings.flip_probability,
            generator,
            tries=settings.view_tries,
        )
        for _ in range(settings.regions)
    ]
    seen = change_colours(torch.stack(views, dim=1).flatten(0, 1), settings.colour, ViewChanges(), generator)
    return normalise(seen * 255)


@torch.no_grad()
def held_out_figures(encoder: DualEncoder, held_out: HeldOutPairs, run: RunContext, pad: int) -> dict[str, float]:
    """How well whole frames of held-out pairs and their texts are matched, among 64 pairs at a time.

    Args:
        encoder: As it is.
        held_out: The pairs.
        run: The processes; each measures all of it.
        pad: What fills up texts.

    Returns:
        ``validation_loss``, nats to find a frame's text, and ``validation_accuracy``, how often its own is the likest.
        Equal texts are not each other's counterexamples.
    """
    pairs, device = held_out.pairs, run.accelerator.device
    encoder.eval()
    loss = right = 0.0
    scale = encoder.log_scale.float().clamp(max=math.log(run.recipe.contrastive.largest_scale)).exp()
    for start in range(0, len(pairs), _HELD_OUT_BATCH):
        these_B = np.arange(start, min(start + _HELD_OUT_BATCH, len(pairs)))
        pixels = as_pixels(held_out.pictures.pixels_NCHW[pairs.frames(these_B, np.full(len(these_B), 0.5))], device)
        with run.accelerator.autocast():
            cosine_BB = encoder(pixels, pairs.texts(these_B, pad).to(device))
        same_BB = same_texts(torch.from_numpy(pairs.group_N[these_B])).to(device)
        logits_BB = (scale * cosine_BB.float()).masked_fill(same_BB, -math.inf)
        own_B = torch.arange(len(logits_BB), device=device)
        loss += float(torch.nn.functional.cross_entropy(logits_BB, own_B, reduction="sum"))
        right += float((logits_BB.argmax(1) == own_B).sum())
    encoder.train()
    return {"validation_loss": round(loss / len(pairs), 5), "validation_accuracy": round(right / len(pairs), 4)}


@torch.no_grad()
def _features_of(encoder: DualEncoder, pictures: Pictures, run: RunContext) -> torch.Tensor:
    """A frozen tower's features of every picture, NE, on the CPU."""
    encoder.eval()
    tokens = []
    for start in progress(range(0, len(pictures), _ENCODE), description="encode pictures", unit="batch"):
        pixels_BCHW = as_pixels(pictures.pixels_NCHW[start : start + _ENCODE], run.accelerator.device)
        with run.accelerator.autocast():
            tokens.append(encoder.features(pixels_BCHW).float().cpu())
    encoder.train()
    return torch.cat(tokens)


def _flops_a_pair(encoder: DualEncoder, run: RunContext, settings: ContrastiveStage) -> float:
    """Operations for one pair, forward and backward, of the tower and of what is compared with a whole batch."""
    shape, batch = run.recipe.model, settings.optimisation.batch_size
    total = 6.0 * settings.regions * settings.width * (shape.vision_width + batch)
    if "vision" in settings.trains:
        tokens = shape.image_tokens
        tower = 2.0 * linear_weights(encoder.vision_tower) * tokens
        tower += 4.0 * shape.vision_layers * shape.vision_width * tokens**2
        total += 3 * settings.regions * tower
    return total
