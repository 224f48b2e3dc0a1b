"""The report: saved runs in, one self-contained page out, with its tables and figures beside it.

runs ──────> results ──> breakdowns ──┐
training ──> curves                   ├──> figures, tables ──> FILE.html
data ──────> corpus statistics        │                        FILE_files/  *.csv *.tex *.svg *.pdf manifest.json
times ─────> seconds by step       ───┘

It reads saved records alone: neither torch nor a model is needed, and nothing is asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from babyvlm.errors import DataFolderError, OutputExistsError
from babyvlm.folders import (
    MANIFEST,
    Manifest,
    code_revision,
    fresh_folder,
    package_versions,
    read_manifest,
    remove_folder,
    whole_file,
)
from babyvlm.records import SCHEMA_VERSION, Item, Outcome
from babyvlm.reports import figures, tables
from babyvlm.reports.breakdowns import agreements
from babyvlm.reports.browser import browsed_items, browser_data
from babyvlm.reports.contrasts import ContrastRun, contrast_figure, contrast_runs, contrast_tables
from babyvlm.reports.corpus import SPLITS, CorpusStatistics, read_corpus
from babyvlm.reports.curves import TrainingRun, read_training
from babyvlm.reports.examples import choose_examples, withheld_items
from babyvlm.reports.exposure import WordsMet, by_exposure, read_words_met
from babyvlm.reports.graded import READING_NAMES, graded_figure, graded_runs, graded_tables
from babyvlm.reports.published import PUBLISHED, PUBLISHED_SIZES, REPORTED, SOURCES
from babyvlm.reports.results import FAMILIES, Elsewhere, Results, RunResult, read_elsewhere, read_results
from babyvlm.reports.style import inline_svg, pdf_of, svg_of
from babyvlm.templates import page_environment
from babyvlm.toolbox import TASKS, task_named
from babyvlm.toolbox.scoring import SCORING_NAMES
from babyvlm.toolbox.tasks import is_hard, task_of_row
from babyvlm.toolbox.winoground import WINOGROUND_CHANCE

_KIND = "report"
_MARKS: dict[Outcome | None, str] = {
    "right": "✓",
    "wrong": "✗",
    "unparsed": "?",
    "refused": "⊘",
    "failed": "!",
    None: "–",
}


def write_report(
    runs: Sequence[Path],
    out: Path,
    *,
    training: Path | None = None,
    data: Path | None = None,
    times: Path | None = None,
    elsewhere: Sequence[Path] = (),
    browse: int = 25,
    share_restricted: bool = False,
) -> None:
    """Writes the comparison page of some runs.

    Args:
        runs: Folders written by ``babyvlm evaluate``. The page is about the first that is no baseline.
        out: The page; tables and figures go into the folder ``<stem>_files`` beside it.
        training: Run of ``babyvlm train`` whose curves to show.
        data: Curated set whose statistics to show.
        times: JSON file of names and seconds.
        elsewhere: Runs of the same respondents on another toolbox, as out of domain.
        browse: Items of each sub-task in the item browser; 0 for no browser.
        share_restricted: Whether pictures of a restricted licence may be embedded.

    Raises:
        OutputExistsError: The page, or something else than a page's files, is there already.
        DataFolderError: An input is missing or does not parse.
        ConfigError: The runs do not belong in one table.
    """
    if out.exists():
        raise OutputExistsError(out, "a page" if out.is_file() else "a folder")
    beside = out.with_name(f"{out.stem}_files")
    _refuse_foreign(beside)
    results = read_results(runs)
    others = read_elsewhere(elsewhere, results)
    trained = read_training(training) if training is not None else None
    corpus = read_corpus(data) if data is not None else None
    met = read_words_met(data) if data is not None else None
    seconds = read_times(times) if times is not None else {}
    contrasts = contrast_runs(results)

    files: dict[str, bytes] = {}
    for table in _tables(results, contrasts, trained, corpus, met):
        files[f"{table.name}.csv"] = table.csv().encode()
        files[f"{table.name}.tex"] = table.latex().encode()
    files["results.tex"] = tables.results_latex(results).encode()
    inline: dict[str, Markup] = {}
    for figure in _figures(results, contrasts, trained, seconds):
        svg = svg_of(figure.figure, figure.name)
        files[f"{figure.name}.svg"] = svg.encode()
        files[f"{figure.name}.pdf"] = pdf_of(figure.figure)
        width_in = figure.figure.get_figwidth()
        inline[figure.name] = Markup(inline_svg(svg, figure.name, figure.description, width_in))

    environment = _environment()
    if browse > 0:
        files["items.html"] = _render_browser(environment, results, browse, out.name, share_restricted).encode()
    page = _render(
        environment,
        others,
        results,
        contrasts,
        trained,
        corpus,
        met,
        seconds,
        inline,
        beside.name,
        sorted(files),
        share_restricted,
    )
    _write_files(beside, files, results)
    with whole_file(out) as file:
        file.write(page)


def _figures(
    results: Results, contrasts: Sequence[ContrastRun], trained: TrainingRun | None, seconds: dict[str, float]
) -> list[figures.Drawn]:
    """The figures that there is something to draw of."""
    drawn = [
        figures.accuracy_by_task(results),
        figures.accuracy_by_number(results),
        *figures.confusions(results.main),
        figures.memory_by_round(results),
        figures.memory_by_lag_figure(results),
        graded_figure(results),
        contrast_figure(results, contrasts),
        figures.training_curves(trained.stages) if trained else None,
        figures.time_spent(seconds),
    ]
    return [figure for figure in drawn if figure is not None]


def _tables(
    results: Results,
    contrasts: Sequence[ContrastRun],
    trained: TrainingRun | None,
    corpus: CorpusStatistics | None,
    met: WordsMet | None,
) -> list[tables.Table]:
    written = [
        tables.results_table(results),
        tables.published_table(),
        tables.published_sizes_table(),
        *tables.breakdown_tables(results),
        *tables.comparison_tables(results),
        *graded_tables(results),
        *contrast_tables(contrasts),
    ]
    written += tables.training_tables(trained) if trained else []
    written += [tables.corpus_table(corpus)] if corpus else []
    written += [table] if met and (table := tables.exposure_table(results, met)).rows else []
    return written


def _write_files(beside: Path, files: Mapping[str, bytes], results: Results) -> None:
    """Writes tables and figures, and a manifest that names them and the runs, in place of an earlier page's."""
    remove_folder(beside)
    with fresh_folder(beside) as partial:
        for name, content in sorted(files.items()):
            (partial / name).write_bytes(content)
        scored = {
            run.name: hashlib.sha256((run.folder / "scores.json").read_bytes()).hexdigest() for run in results.runs
        }
        named = {name: release for run in results.runs for name, release in run.run.extensions.items()}
        Manifest(
            kind=_KIND, inputs=scored, configuration={"files": sorted(files)}, extensions=dict(sorted(named.items()))
        ).write(partial)


def _refuse_foreign(beside: Path) -> None:
    """Allows the files of a page that was removed to be written again, and nothing else."""
    if not beside.exists():
        return
    if beside.is_dir():
        found = {path.name for path in beside.iterdir()}
        if not found:
            return
        if MANIFEST in found:
            ours = {MANIFEST, *read_manifest(beside, _KIND).configuration.get("files", ())}
            if found <= ours:
                return
            found -= ours
        raise OutputExistsError(beside, ", ".join(sorted(found)[:3]))
    raise OutputExistsError(beside, "a file")


def read_times(path: Path) -> dict[str, float]:
    """Seconds by name.

    Raises:
        DataFolderError: The file is missing or holds something else.
    """
    try:
        seconds = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataFolderError(f"does not read as JSON ({error})", path=path) from error
    good = isinstance(seconds, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 for value in seconds.values()
    )
    if not good:
        raise DataFolderError("not an object of names and seconds", path=path)
    return {name: float(value) for name, value in seconds.items()}


def _render(
    environment: Environment,
    elsewhere: Sequence[Elsewhere],
    results: Results,
    contrasts: Sequence[ContrastRun],
    training: TrainingRun | None,
    corpus: CorpusStatistics | None,
    met: WordsMet | None,
    seconds: dict[str, float],
    inline: dict[str, Markup],
    beside: str,
    files: Sequence[str],
    share_restricted: bool,
) -> str:
    toolbox = results.toolbox
    notes = toolbox.manifest.notes
    asked = {item.id: item for run in results.runs for item in run.items}
    manifest = toolbox.manifest
    return environment.get_template("report.html.j2").render(
        results=results,
        main=results.main,
        families=[
            (family, runs) for family in FAMILIES if (runs := [r for r in results.ordered if r.family == family])
        ],
        tasks=[TASKS[task] for task in results.tasks],
        domains=_domains(results.tasks),
        elsewhere=elsewhere,
        rival=results.rival,
        agreements=agreements(results.main, results.rival) if results.rival else (),
        mean_chance=sum(map(results.chance, results.tasks)) / max(1, len(results.tasks)),
        published=PUBLISHED,
        published_sizes={name: sizes for name, sizes in PUBLISHED_SIZES.items() if name.endswith(", test")},
        sources=SOURCES,
        reported_sources=REPORTED,
        winoground=[(run.name, found) for run in results.ordered if (found := run.scores.winoground) is not None],
        winoground_chance=WINOGROUND_CHANCE,
        graded=[(run.name, found) for run, found in graded_runs(results)],
        readings=READING_NAMES,
        contrasts=contrasts,
        cannot_answer=_unanswerable(results),
        scoring_name=SCORING_NAMES[results.main.scores.scoring],
        marks=_MARKS,
        titles={name: task_named(name).title for name in (*TASKS, *results.extension_rows)},
        asked=len(asked),
        outside=sum(sum(task.outcomes.values()) for task in results.main.scores.tasks),
        sizes=Counter(item.task for item in asked.values()),
        odd=[(run.name, words) for run in results.ordered if (words := _odd_outcomes(run))],
        toolbox_name=toolbox.folder.name,
        toolbox=toolbox,
        apart=[note for note in notes if "in training" in note],
        notes=[note for note in notes if "in training" not in note],
        item_splits=_splits_of(asked.values(), manifest.configuration.get("split")),
        construction=toolbox.construction,
        toolbox_seed=manifest.configuration.get("seed"),
        licences=dict(sorted(Counter(item.licence for item in asked.values()).items())),
        withheld={} if share_restricted else withheld_items(list(asked.values())),
        examples=choose_examples(results, share_restricted=share_restricted),
        training=training,
        corpus=corpus,
        words_met=[(run.name, rows) for run in results.ordered if met and (rows := by_exposure(run, met))],
        splits=SPLITS,
        seconds=seconds,
        figures=inline,
        beside=beside,
        files=files,
        packages=package_versions(),
        revision=code_revision(),
        run_versions=_distinct_versions(results),
        schema=SCHEMA_VERSION,
        style=_style(),
    )


def _environment() -> Environment:
    environment = page_environment("babyvlm.reports")
    environment.filters |= {
        "percent": _percent,
        "points": _points,
        "count": lambda number: f"{number:,}",
        "duration": figures.duration,
    }
    return environment


def _style() -> Markup:
    return Markup((Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8"))


def _render_browser(
    environment: Environment, results: Results, per_task: int, page: str, share_restricted: bool
) -> str:
    items = browsed_items(results, per_task)
    return environment.get_template("items.html.j2").render(
        data=browser_data(results, items, share_restricted=share_restricted),
        asked=len({item.id for run in results.runs for item in run.items}),
        withheld=0 if share_restricted else sum(withheld_items(items).values()),
        marks={str(outcome): mark for outcome, mark in _MARKS.items()},
        page=page,
        style=_style(),
    )


def _odd_outcomes(run: RunResult) -> str:
    """What was neither right nor wrong, by sub-task; empty where nothing was."""
    parts = []
    for score in run.scores.tasks:
        found = [
            f"{number} {name}" for name, number in score.outcomes.items() if number and name not in ("right", "wrong")
        ]
        if found:
            rounds = sum(score.outcomes.values())
            parts.append(f"{_title(score.task)} {', '.join(found)} of {rounds:,}")
    return "; ".join(parts)


def _unanswerable(results: Results) -> list[tuple[str, list[str]]]:
    """The sub-tasks of the toolbox that a respondent cannot answer, by respondent; none for one that can answer all."""
    found = []
    for run in results.ordered:
        if run.run.cannot_answer:
            found.append((run.name, [_title(row) for row in run.run.cannot_answer]))
    return found


def _title(row: str) -> str:
    return f"{task_of_row(row).title}{' (hard)' if is_hard(row) else ''}"


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}".replace("-", "−")


def _domains(tasks: Sequence[str]) -> list[tuple[str, int]]:
    """Neighbouring sub-tasks of one domain, with how many there are."""
    counts = Counter(TASKS[task].domain for task in tasks)
    return list(counts.items())


def _distinct_versions(results: Results) -> list[tuple[str, list[str]]]:
    """Package versions of the runs, each set once, with the respondents it belongs to."""
    found: dict[str, list[str]] = {}
    for run in results.ordered:
        versions = ", ".join(f"{name} {version}" for name, version in run.run.packages.items())
        if run.run.code_revision:
            versions += f"; code {run.run.code_revision}"
        found.setdefault(versions, []).append(run.name)
    return list(found.items())


def _splits_of(items: Iterable[Item], stated: object) -> str:
    """The splits of items, in words; what an import could not tell is not called a test."""
    found = sorted({item.split for item in items})
    # An earlier version gave items of an unknown split out as test items, and noted that they are not.
    if (stated == "unknown" and "unknown" not in found) or found == ["unknown"]:
        return "split not stated by its source"
    names = ["a split that nothing states" if name == "unknown" else name for name in found]
    return f"{' and '.join(names)} split{'s' if len(found) > 1 else ''}"
