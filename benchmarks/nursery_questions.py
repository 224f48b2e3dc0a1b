"""Questions about learning from head cameras that the nursery can answer, because it is known what its pictures show.

    python benchmarks/nursery_questions.py WORK [--questions ...] [--seeds 0 1 2 3 4] [--hours 0.7] [--steps 700]

For each seed: nurseries of so many hours, their sets, the contrastive stage of the recipe ``experience`` made small,
once for each arm, and 800 word items of a nursery of another seed. Two arms of a question have the same hours and take
the same steps, with the same first weights; what differs is one thing:

    named       pairs whose words name what is in view      against  as many drawn at random
    labels      names of all that is in view                against  speech as heard
    name        the name of the largest thing in view       against  speech as heard
    views       one part of each frame                      against  whole frames
    regions     three parts, the likest of which answer     against  whole frames
    children    three homes, each with things of its own    against  one home, as many hours
    filter      the likelier half by a first model          against  all of them
    frequency   the correlation of a word's log frequency with how often it is found, where words follow Zipf's law
    order       five groups of words that begin at ages planted in the pairs, met in the order of time: the rank
                correlation of that order with the words heard until each group is found half way between chance and
                always, by kept checkpoints, in pictures of the film itself

A difference is that of the share of items answered, four pictures and two averaged; its 95% interval is Student's over
seeds, paired by seed. Every setting was chosen on the nursery of seed 7 and the items of 1907.

Claim: at least five of the first six have the sign that is published or expected, with intervals clear of 0
(``filter``: not above 0), over five seeds; and the planted order comes back with a rank correlation of at least .8,
the mean of three seeds or more. WORK keeps each part as it comes, so that an interrupted run resumes; all is done in
this process, on the threads that torch is given. Writes a dated result beside this script.
"""

from __future__ import annotations

import argparse
import bisect
import csv
import datetime
import functools
import json
import math
import os
import platform
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import babyvlm
from babyvlm.corpus import open_corpus
from babyvlm.corpus.nursery.lexicon import CATEGORIES
from babyvlm.curation import CurationConfig, PretrainingSet
from babyvlm.curation import curate as curate_pretraining
from babyvlm.curation.candidates import Candidate
from babyvlm.evaluation import choose_respondent
from babyvlm.evaluation.acquisition import acquisition
from babyvlm.evaluation.contrastive import ContrastiveCheckpoint
from babyvlm.folders import fresh_folder
from babyvlm.heard import read_heard
from babyvlm.records import BoxedFrame
from babyvlm.toolbox import Toolbox, open_toolbox
from babyvlm.words import words_of

RESULTS = Path(__file__).resolve().parent / "results"
FPS = 3
TASKS = {"picture_vocabulary": 0.25, "looking_while_listening": 0.5}
"""Tasks and their chance."""
SMALL = (
    "cpu_processes=1", "model.image_size=48", "model.stem=(24,48,96,128)", "vision.source_size=96",
    "vision.local_size=32", "vision.optimisation.steps=2", "contrastive.formats=('image',)",
)  # fmt: skip
"""The recipe made small: a quarter of its time per step, and no vision stage to speak of."""
WHOLE = ("contrastive.view_scale=(0.95,1.0)", "contrastive.view_tries=1")
REGIONS = ("contrastive.regions=3", "contrastive.region_scale=(0.1,0.6)")
INDIVIDUALS, ZIPF = 1, 1.0
BEGIN_MONTHS = (0.0, 10.0, 14.0, 18.0, 22.0)
"""When each group of words begins; the nursery's children are 6 to 32 months old."""
GROUPS = len(BEGIN_MONTHS)
ORDER = (
    "contrastive.order.kind=cumulative",
    "contrastive.optimisation.schedule=constant",
    "contrastive.keep_at=('10%','20%','30%','40%','50%','60%','70%','80%','90%','100%')",
)
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""The 97.5% quantile of Student's distribution by degrees of freedom."""
FILMS: dict[str, dict[str, object]] = {
    "usual": {},
    "one-home": {"children": ("S",), "individuals": INDIVIDUALS},
    "three-homes": {"individuals": INDIVIDUALS},
    "uneven": {"zipf": ZIPF},
}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One training set and how it is learned from."""

    film: str = "usual"
    clips: Callable[[Seed], list[ListRow]] | None = None
    """Which pairs; all where None."""
    settings: tuple[str, ...] = ()
    longer: float = 1.0
    """Steps, in those of the other arms."""


@dataclass(frozen=True, kw_only=True)
class ListRow:
    """A clip that stays, as ``corpus select --clips`` takes it."""

    clip: str
    frames: Sequence[int] = ()
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A clip of a training recording and what its frames show."""

    clip: str
    recording: str
    text: str
    frames: tuple[int, ...]
    pictures: tuple[str, ...]
    in_view: tuple[frozenset[str], ...]
    """Categories, by frame."""
    largest: tuple[str, ...]
    """The category that takes up most of each frame; empty where nothing is in view."""

    @property
    def said(self) -> frozenset[str]:
        """Categories that the text names."""
        words = f" {' '.join(words_of(self.text))} "
        return frozenset(name for name, one in CATEGORIES.items() if f" {name} " in words or f" {one.plural} " in words)

    @property
    def named(self) -> tuple[int, ...]:
        """Frames that show something the text names."""
        said = self.said
        return tuple(number for number, there in zip(self.frames, self.in_view, strict=True) if said & there)


class Seed:
    """Everything of one seed; what is made stays in its folder."""

    def __init__(self, work: Path, seed: int, hours: float, steps: int, toolbox: Path) -> None:
        self.folder, self.seed, self.hours, self.steps, self.toolbox = (
            work / f"seed-{seed}",
            seed,
            hours,
            steps,
            toolbox,
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._seen: dict[str, list[Seen]] = {}

    def film(self, name: str) -> Path:
        out = self.folder / f"film-{name}"
        if not (out / "manifest.json").exists():
            render(out, hours=self.hours, seed=self.seed, width=160, height=120, **FILMS[name])
        return out

    def set(self, name: str) -> Path:
        out = self.folder / f"set-{name}"
        if not (out / "manifest.json").exists():
            with fresh_folder(out) as partial:  # the pretraining set alone: no stage here needs instruction items
                config = CurationConfig(fps=FPS, seed=self.seed, frame_size=120)
                curate_pretraining(open_corpus(self.film(name)), partial, config, workers=1)
        return out

    def seen(self, film: str = "usual") -> list[Seen]:
        """The training clips of a film."""
        if film not in self._seen:
            self._seen[film] = list(training_clips(self.film(film), self.set(film)))
        return self._seen[film]

    def data(self, name: str, arm: Arm) -> Path:
        whole = self.set(arm.film)
        if arm.clips is None:
            return whole
        out, listed = self.folder / f"pairs-{name}", self.folder / f"pairs-{name}.csv"
        if not (out / "manifest.json").exists():
            validation = [
                ListRow(clip=one.clip.stem(one.recording))
                for one in PretrainingSet(whole).candidates()
                if split_of(whole, one.recording) == "validation"
            ]
            with listed.open("w", newline="", encoding="utf-8") as file:
                table = csv.writer(file)
                table.writerow(("clip", "frames", "text"))
                for row in [*arm.clips(self), *validation]:
                    table.writerow((row.clip, " ".join(map(str, row.frames)), row.text))
            babyvlm.select(whole, out, clips=listed)
        return out

    def model(self, name: str) -> Path:
        """The trained checkpoint of an arm."""
        arm, out = ARMS[name], self.folder / f"model-{name}"
        if not (out / "done").exists():
            data = self.data(name, arm)
            steps = f"contrastive.optimisation.steps={round(self.steps * arm.longer)}"
            settings = [f"seed={self.seed}", *SMALL, steps, *arm.settings]
            began_s = time.process_time()
            babyvlm.train("experience", data, out, overrides=settings, stages=("vision", "contrastive"))
            (out / "done").write_text(f"{time.process_time() - began_s:.1f}")
        return out

    def asked(self, name: str) -> dict:
        """What an arm's model answers."""
        kept = self.folder / f"{name}.json"
        if not kept.exists():
            out = self.model(name)
            found = answers(out / "contrastive", self.toolbox)
            pairs = len(PretrainingSet(self.data(name, ARMS[name])).picture_ids("image", "train"))
            found |= {"pairs": pairs, "training_cpu_s": float((out / "done").read_text())}
            kept.write_text(json.dumps(found))
        return json.loads(kept.read_text())


def render(out: Path, **settings: object) -> None:
    babyvlm.make_corpus(out, babyvlm.NurseryConfig(speech="silence", **settings), workers=1)  # type: ignore[arg-type]


def split_of(data: Path, recording: str) -> str:
    return next(one.split for one in PretrainingSet(data).recordings if one.id == recording)


def training_clips(film: Path, data: Path) -> Iterator[Seen]:
    """The training clips of a set, with what each frame shows at the moment nearest to it that has boxes."""
    corpus, opened = open_corpus(film), PretrainingSet(data)
    training = {one.id for one in opened.recordings if one.split == "train"}
    boxed: dict[str, tuple[BoxedFrame, ...]] = {}
    for candidate in opened.candidates():
        if candidate.recording in training and candidate.frames:
            if candidate.recording not in boxed:
                boxed = {candidate.recording: corpus.boxed_frames(corpus.recording(candidate.recording))}
            yield with_truth(candidate, boxed[candidate.recording])


def with_truth(candidate: Candidate, boxed: Sequence[BoxedFrame]) -> Seen:
    times = [one.time_s or 0.0 for one in boxed]
    moments = candidate.clip.frame_times_s(FPS)
    in_view, largest = [], []
    for frame in candidate.frames:
        at = bisect.bisect_left(times, moments[frame.number - 1])
        near = min(
            range(max(0, at - 1), min(len(times), at + 1)), key=lambda n: abs(times[n] - moments[frame.number - 1])
        )
        boxes = boxed[near].boxes
        in_view.append(frozenset(box.label for box in boxes))
        largest.append(max(boxes, key=lambda box: box.area).label if boxes else "")
    return Seen(
        clip=candidate.clip.stem(candidate.recording), recording=candidate.recording, text=candidate.text,
        frames=tuple(one.number for one in candidate.frames), pictures=tuple(one.image for one in candidate.frames),
        in_view=tuple(in_view), largest=tuple(largest),
    )  # fmt: skip


def named_pairs(seed: Seed) -> list[ListRow]:
    """Pairs whose text names something that the frame shows."""
    return [ListRow(clip=one.clip, frames=one.named) for one in seed.seen() if one.named]


def as_many_at_random(seed: Seed) -> list[ListRow]:
    """As many pairs, whole clips drawn at random."""
    wanted = sum(len(one.named) for one in seed.seen())
    order = random.Random(seed.seed).sample(seed.seen(), len(seed.seen()))
    rows = []
    for one in order:
        frames = one.frames[:wanted]
        if not frames:
            break
        rows.append(ListRow(clip=one.clip, frames=frames))
        wanted -= len(frames)
    return rows


def labelled(seed: Seed) -> list[ListRow]:
    """Each clip with the names of what most of its frames show; clips that show nothing for so long are left out."""
    rows = []
    for one in seed.seen():
        counts = Counter(name for there in one.in_view for name in there)
        names = sorted(name for name, count in counts.items() if count * 2 >= len(one.frames))
        frames = [number for number, there in zip(one.frames, one.in_view, strict=True) if there & set(names)]
        if frames:
            rows.append(ListRow(clip=one.clip, frames=frames, text=" ".join(names)))
    return rows


def largest_named(seed: Seed, begun: Callable[[Seen, str], bool] = lambda clip, name: True) -> list[ListRow]:
    """Each clip with the name of the thing that is the largest in most of its frames, in those frames that show it."""
    rows = []
    for one in seed.seen():
        counts = Counter(name for name in one.largest if name and begun(one, name))
        if counts:
            name = min(counts, key=lambda name: (-counts[name], name))
            frames = [number for number, there in zip(one.frames, one.in_view, strict=True) if name in there]
            rows.append(ListRow(clip=one.clip, frames=frames, text=name))
    return rows


def likelier_half(seed: Seed) -> list[ListRow]:
    """The half of all pairs that the model of the arm ``speech`` finds likelier."""
    encoder = ContrastiveCheckpoint(seed.model("speech") / "contrastive")
    data = PretrainingSet(seed.set("usual"))
    likeness: dict[tuple[str, int], float] = {}
    with torch.no_grad():
        for one in seed.seen():
            read_D = encoder.text(one.text)
            if read_D is None:
                continue
            placed_FD = encoder.placed(encoder.features([data.read_image(picture) for picture in one.pictures]))
            for number, cosine in zip(one.frames, (placed_FD @ read_D).tolist(), strict=True):
                likeness[one.clip, number] = cosine
    least = statistics.median(likeness.values())
    rows = []
    for one in seed.seen():
        frames = [number for number in one.frames if likeness.get((one.clip, number), -math.inf) > least]
        if frames:
            rows.append(ListRow(clip=one.clip, frames=frames))
    return rows


def planted(seed: int) -> dict[str, int]:
    """A group for each word; group 0 begins first. Over as many seeds as groups, each word is once in each."""
    names = random.Random("groups").sample(sorted(CATEGORIES), len(CATEGORIES))
    return {name: (place + seed) % GROUPS for place, name in enumerate(names)}


def after_their_age(seed: Seed) -> list[ListRow]:
    """Clips with the names of what they show, of words whose group has begun at the child's age."""
    groups = planted(seed.seed)
    ages = {one.id: one.age_months or 0.0 for one in PretrainingSet(seed.set("usual")).recordings}
    return largest_named(seed, lambda clip, name: BEGIN_MONTHS[groups[name]] <= ages[clip.recording])


ARMS = {
    "speech": Arm(),
    "named": Arm(clips=named_pairs),
    "random": Arm(clips=as_many_at_random),
    "labels": Arm(clips=labelled),
    "name": Arm(clips=largest_named),
    "whole": Arm(settings=WHOLE),
    "regions": Arm(settings=REGIONS),
    "one-home": Arm(film="one-home"),
    "three-homes": Arm(film="three-homes"),
    "filter": Arm(clips=likelier_half),
    "uneven": Arm(film="uneven"),
    "order": Arm(clips=after_their_age, settings=ORDER, longer=1.5),
}
COMPARED = {
    "named": ("named", "random"),
    "labels": ("labels", "speech"),
    "name": ("name", "speech"),
    "regions": ("regions", "whole"),
    "views": ("speech", "whole"),
    "children": ("three-homes", "one-home"),
    "filter": ("filter", "speech"),
}
QUESTIONS = (*COMPARED, "frequency", "order")


@functools.cache
def opened(toolbox: Path) -> Toolbox:
    return open_toolbox(toolbox)


def answers(model: Path, toolbox: Path) -> dict:
    """Accuracy by task, and by word which of its items were answered right, by task."""
    items = {item.id: item for item in opened(toolbox).items}
    respondent = choose_respondent(f"clip:{model}", opened(toolbox))
    by_word: dict[str, dict[str, list[int]]] = defaultdict(lambda: {task: [] for task in TASKS})
    for response in respondent.answer([item.question() for item in items.values()], opened(toolbox).image):
        item = items[response.item]
        by_word[item.category][item.task].append(int(response.replies[0].text == item.turns[0].gold))
    found = {task: statistics.mean(right for word in by_word.values() for right in word[task]) for task in TASKS}
    return {**found, "both": statistics.mean(found.values()), "by_word": by_word}


def rank(values: Sequence[float]) -> np.ndarray:
    """Ranks, the mean one where several are equal."""
    array = np.asarray(values, float)
    return np.array([((array < one).sum() + (array <= one).sum() + 1) / 2 for one in array])


def correlation(first: Sequence[float], second: Sequence[float]) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def above_chance(by_task: Mapping[str, Sequence[int]]) -> float:
    """The share of a word's items above guessing, 1 for always right, tasks averaged."""
    return statistics.mean((statistics.mean(by_task[task]) - chance) / (1 - chance) for task, chance in TASKS.items())


def frequency(seed: Seed) -> dict:
    """Log frequency of a word in the pairs' texts against how often it is found."""
    found = seed.asked("uneven")["by_word"]
    said: Counter[str] = Counter()
    for one in seed.seen("uneven"):
        said.update(one.said)
    words = sorted(word for word in found if all(found[word].values()) and word in CATEGORIES)
    logs = [math.log(said[word] + 1) for word in words]
    right = [above_chance(found[word]) for word in words]
    return {
        "value": correlation(logs, right), "rank_correlation": correlation(rank(logs), rank(right)),
        "words": len(words), "most": max(said.values()), "least": min(said[word] for word in words),
    }  # fmt: skip


def order(seed: Seed) -> dict:
    """The planted order of groups against that in which the kept checkpoints find them, in pictures of the film."""
    kept = seed.folder / "order.json"
    if not kept.exists():
        toolbox = make_toolbox(seed.film("usual"), seed.folder / "items-familiar", seed.seed, split="train")
        rungs = sorted((seed.model("order") / "ladder" / "contrastive").iterdir())
        heard = sorted((read_heard(rung).words, rung) for rung in rungs)
        kept.write_text(json.dumps([(words, answers(rung, toolbox)["by_word"]) for words, rung in heard]))
    course = json.loads(kept.read_text())
    groups, amounts = planted(seed.seed), [words for words, _ in course]
    found: dict[str, list] = {}
    for task, chance in TASKS.items():
        points, shares = [], []
        for group in range(GROUPS):
            names = [name for name in course[0][1] if groups.get(name) == group]
            right_IR = np.array([[right for name in names for right in by_word[name][task]] for _, by_word in course]).T
            point = acquisition(amounts, right_IR, chance)
            points.append({"before": -math.inf, "within": point.value, "never": math.inf}[point.status])
            shares.append([round(float(share), 3) for share in right_IR.mean(0)])
        found[task] = [points, shares]
    points_G = np.mean([rank(points) for points, _ in found.values()], axis=0)
    return {
        "value": correlation(rank(range(GROUPS)), rank(points_G)),
        "words_heard": amounts,
        "by_task": {
            task: {"acquired_at_words": [one if math.isfinite(one) else None for one in points], "shares": shares}
            for task, (points, shares) in found.items()
        },
    }


def interval(values: Sequence[float]) -> dict[str, float | int | None]:
    """Mean and Student's 95% interval."""
    mean, seeds = statistics.mean(values), len(values)
    half = STUDENT[seeds - 1] * statistics.stdev(values) / math.sqrt(seeds) if seeds > 1 else None
    return {"mean": mean, "low": None if half is None else mean - half, "high": None if half is None else mean + half,
            "seeds": seeds}  # fmt: skip


def row_of(question: str, seeds: Sequence[Seed]) -> dict:
    """One question over seeds."""
    if question in COMPARED:
        first, second = COMPARED[question]
        pairs = [(seed.asked(first), seed.asked(second)) for seed in seeds]
        row = {"question": f"{first} against {second}"}
        for key in ("both", *TASKS):
            row[key] = {
                "first": statistics.mean(one[key] for one, _ in pairs),
                "second": statistics.mean(other[key] for _, other in pairs),
                "difference": interval([one[key] - other[key] for one, other in pairs]),
                "by_seed": [round(one[key] - other[key], 4) for one, other in pairs],
            }
        row["pairs"] = [statistics.mean(one["pairs"] for one in side) for side in zip(*pairs, strict=True)]
        if question == "filter":
            row["named"] = [shares_named(seed) for seed in seeds]
        return row
    found = [frequency(seed) if question == "frequency" else order(seed) for seed in seeds]
    return {"question": question, "correlation": interval([one["value"] for one in found]), "by_seed": found}


def shares_named(seed: Seed) -> dict[str, float]:
    """The share of pairs whose text names what the frame shows, of all and of those that the filter keeps."""
    kept = {(row.clip, int(number)) for row in read_list(seed.folder / "pairs-filter.csv") for number in row.frames}
    all_pairs = [(one.clip, number, number in one.named) for one in seed.seen() for number in one.frames]
    return {
        "of_all": statistics.mean(named for _, _, named in all_pairs),
        "of_kept": statistics.mean(named for clip, number, named in all_pairs if (clip, number) in kept),
    }


def read_list(path: Path) -> list[ListRow]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            ListRow(clip=row["clip"], frames=[int(n) for n in row["frames"].split()]) for row in csv.DictReader(file)
        ]


def make_items(work: Path, seed: int) -> Path:
    film, toolbox = work / f"film-of-items-{seed}", work / f"items-{seed}"
    if not (film / "manifest.json").exists():
        render(film, hours=0.3, seed=seed, train_fraction=0.0, validation_fraction=0.0, test_fraction=1.0)
    return make_toolbox(film, toolbox, seed)


def make_toolbox(film: Path, out: Path, seed: int, split: str = "test") -> Path:
    if not (out / "manifest.json").exists():
        config = babyvlm.ToolboxConfig(seed=seed, items_per_task=400, tasks=tuple(TASKS))
        babyvlm.build_toolbox(film, out, config, split=split, workers=1)  # type: ignore[arg-type]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=QUESTIONS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--hours", type=float, default=0.7)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--items-seed", type=int, default=1900)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    toolbox = make_items(arguments.work, arguments.items_seed)
    seeds = [Seed(arguments.work, seed, arguments.hours, arguments.steps, toolbox) for seed in arguments.seeds]
    for seed in seeds:  # all of one seed, so that a run that is broken off has whole seeds
        for question in arguments.questions:
            row = row_of(question, [seed])
            print(seed.seed, question, json.dumps(row.get("both") or row["correlation"]["mean"]), flush=True)
    rows = {question: row_of(question, seeds) for question in arguments.questions}
    result = {
        "date": f"{datetime.date.today()}", "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(), "hours": arguments.hours, "steps": arguments.steps, "frames_per_s": FPS,
        "seeds": arguments.seeds, "items_seed": arguments.items_seed, "individuals": INDIVIDUALS, "zipf": ZIPF,
        "settings": SMALL, "questions": rows,
    }  # fmt: skip
    path = RESULTS / f"nursery_questions-{datetime.date.today()}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: row.get("both", {}).get("difference") or row["correlation"] for name, row in rows.items()},
                     indent=2))  # fmt: skip


if __name__ == "__main__":
    main()
