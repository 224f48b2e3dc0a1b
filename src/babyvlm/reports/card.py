"""The card of a curated set: one page that says what it holds. A pretraining set in, ``card.html`` out.

Hours and coverage by child, how the vocabulary grows, how long utterances are by age, which of children's first words
are heard, how similar what is seen and what is said are, what was left out, and a few examples. Frames of a restricted
licence are shown only on request.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from babyvlm.curation.candidates import Candidate
from babyvlm.curation.formats import even_indices
from babyvlm.curation.sets import PretrainingSet
from babyvlm.errors import OutputExistsError
from babyvlm.licences import is_restricted
from babyvlm.records import Conversation, Utterance
from babyvlm.reports.corpus import CorpusStatistics, read_corpus
from babyvlm.reports.examples import data_address
from babyvlm.reports.figures import Drawn
from babyvlm.reports.style import ACCENT, CHANCE, inline_svg, light_grid, new_figure, style_context, svg_of
from babyvlm.templates import page_environment
from babyvlm.toolbox.vocabulary import early_vocabulary
from babyvlm.words import words_of

_EXAMPLES = 12
_EXAMPLE_PX = 180


@dataclass(frozen=True, kw_only=True)
class ChildRow:
    """One child's part of the set."""

    child: str
    recordings: int
    hours: float
    ages: str
    speech_hours: float
    utterances: int
    words: int


@dataclass(frozen=True, kw_only=True)
class Example:
    """One image-utterance pair to show."""

    picture: str
    """A ``data:`` address; empty where it may not be shown."""
    text: str
    source: str


def write_card(folder: Path, out: Path, *, share_restricted: bool = False) -> None:
    """Writes the card.

    Args:
        folder: The pretraining set.
        out: The page; must not exist.
        share_restricted: Whether frames of a restricted licence may be embedded.

    Raises:
        DataFolderError: ``folder`` is no whole pretraining set.
        OutputExistsError: ``out`` is there.
    """
    if out.exists():
        raise OutputExistsError(out, "a file")
    data = PretrainingSet(folder)
    out.write_text(render_card(data, share_restricted=share_restricted), encoding="utf-8")


def render_card(data: PretrainingSet, *, share_restricted: bool = False) -> str:
    """The card's HTML."""
    utterances = data.utterances()
    statistics = read_corpus(data.folder)
    licences = sorted({recording.licence for recording in data.recordings})
    withheld = any(map(is_restricted, licences)) and not share_restricted
    early = _early_words(utterances)
    drawn = [
        figure
        for figure in (
            _vocabulary_growth(utterances),
            _length_by_age(data, utterances),
            _similarities(list(data.candidates())),
        )
        if figure is not None
    ]
    environment = page_environment("babyvlm.reports")
    style = (Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    return environment.get_template("card.html.j2").render(
        style=Markup(style),
        data=data,
        statistics=statistics,
        licences=licences,
        withheld=withheld,
        children=_children(data, statistics, utterances),
        early=early,
        missing=[word for word, count in early.items() if not count],
        heard=sorted(((count, word) for word, count in early.items() if count), reverse=True)[:20],
        figures=[
            (each, Markup(inline_svg(svg_of(each.figure, each.name), each.name, each.description))) for each in drawn
        ],
        examples=[_example(data, pair, withheld) for pair in _examples_of(data.conversations("image"))],
        aligner=data.manifest.configuration.get("aligner", "none"),
    )


def _children(data: PretrainingSet, statistics: CorpusStatistics, utterances: Sequence[Utterance]) -> list[ChildRow]:
    child_of = {recording.id: recording.child for recording in data.recordings}
    spoken: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        spoken[child_of[utterance.recording]].append(utterance)
    rows = []
    for child in statistics.children:
        own = [recording for recording in data.recordings if recording.child == child]
        ages = statistics.ages_months.get(child)
        rows.append(
            ChildRow(
                child=child,
                recordings=len(own),
                hours=sum(recording.duration_s for recording in own) / 3600,
                ages=f"{ages[0]:.1f} to {ages[1]:.1f}" if ages else "unknown",
                speech_hours=sum(each.end_s - each.start_s for each in spoken[child]) / 3600,
                utterances=len(spoken[child]),
                words=sum(len(words_of(each.text)) for each in spoken[child]),
            )
        )
    return rows


def _early_words(utterances: Sequence[Utterance]) -> dict[str, int]:
    """How many utterances hold each of children's early words, singular or plural."""
    counts = Counter(word for utterance in utterances for word in set(words_of(utterance.text)))
    texts = Counter(" ".join(words_of(utterance.text)) for utterance in utterances)
    found: dict[str, int] = {}
    for word in early_vocabulary().words:
        if " " in word:
            found[word] = sum(count for text, count in texts.items() if f" {word} " in f" {text} ")
        else:
            found[word] = counts[word] + counts[f"{word}s"] + counts[f"{word}es"]
    return found


def _vocabulary_growth(utterances: Sequence[Utterance]) -> Drawn | None:
    seen: set[str] = set()
    sizes: list[int] = []
    for utterance in utterances:
        for word in words_of(utterance.text):
            seen.add(word)
            sizes.append(len(seen))
    if not sizes:
        return None
    marks = np.unique(np.geomspace(1, len(sizes), 200).astype(int))
    with style_context():
        figure = new_figure(2.2)
        axes = figure.subplots()
        axes.plot(marks, [sizes[mark - 1] for mark in marks], color=ACCENT, linewidth=1.2)
        axes.set_xlabel("words heard, in the order of the recordings")
        axes.set_ylabel("different words")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        light_grid(axes)
    return Drawn("vocabulary_growth", figure, f"Vocabulary: {len(seen)} different words among {len(sizes)} heard.")


def _length_by_age(data: PretrainingSet, utterances: Sequence[Utterance]) -> Drawn | None:
    age_of = {recording.id: recording.age_months for recording in data.recordings}
    lengths: dict[int, list[int]] = defaultdict(list)
    for utterance in utterances:
        if (age := age_of[utterance.recording]) is not None:
            lengths[int(age)].append(len(words_of(utterance.text)))
    if not lengths:
        return None
    months = sorted(lengths)
    means = [float(np.mean(lengths[month])) for month in months]
    with style_context():
        figure = new_figure(2.2)
        axes = figure.subplots()
        axes.plot(months, means, color=ACCENT, marker="o", markersize=3, linewidth=1.1)
        axes.set_xlabel("age of the child, months")
        axes.set_ylabel("words an utterance, mean")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        light_grid(axes)
    words = f"Mean words an utterance from {means[0]:.1f} at {months[0]} months to {means[-1]:.1f} at {months[-1]}."
    return Drawn("length_by_age", figure, words)


def _similarities(candidates: Sequence[Candidate]) -> Drawn | None:
    frames = [frame.score for candidate in candidates for frame in candidate.frames if frame.score is not None]
    clips = [candidate.score for candidate in candidates if candidate.score is not None]
    if not frames and not clips:
        return None
    with style_context():
        figure = new_figure(2.2)
        axes = figure.subplots()
        for scores, colour, name in ((frames, ACCENT, "frames"), (clips, CHANCE, "clips")):
            if scores:
                axes.hist(scores, bins=50, histtype="step", color=colour, label=f"{name} ({len(scores)})", density=True)
        axes.set_xlabel("similarity of images and texts, before thresholds")
        axes.set_ylabel("density")
        axes.legend(frameon=False, fontsize=8)
        light_grid(axes)
    return Drawn("similarities", figure, f"Similarity of {len(frames)} frames and {len(clips)} clips with their texts.")


def _examples_of(pairs: Sequence[Conversation]) -> list[Conversation]:
    return [pairs[index] for index in even_indices(len(pairs), _EXAMPLES)]


def _example(data: PretrainingSet, pair: Conversation, withheld: bool) -> Example:
    picture = ""
    if not withheld:
        image = data.read_image(pair.images[0])
        image.thumbnail((_EXAMPLE_PX, _EXAMPLE_PX))
        picture = data_address(image)
    return Example(picture=picture, text=pair.turns[0].answer, source=f"{pair.recording}, {pair.start_s:.1f} s")
