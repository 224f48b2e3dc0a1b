"""What ``bad_inputs.py`` damages and runs: for each stage its inputs, the command or function, and what comes of it."""

from __future__ import annotations

from pathlib import Path

from fuzzed.corpora import (
    change_a_word,
    corpus_boxes,
    film,
    index_corpus,
    photographs,
    read_transcripts,
    relabel_box,
    relabel_recording,
    write_photographs,
    write_recordings,
    write_transcripts,
)
from fuzzed.items import (
    ask_clients,
    change_published,
    changed_gold,
    changed_run,
    decided,
    read_replies,
    scores,
    spoil_body,
    spoil_reply,
    write_bodies,
    write_decisions,
    write_replies,
)
from fuzzed.people import (
    begin_study,
    make_study,
    nothing,
    run_words,
    send_request,
    small_inputs,
    spoil_request,
    spoil_setting,
    spoil_words,
)
from fuzzed.stage import Stage, command, copies
from kills import TRAIN, replies, weights

STAGES = (
    Stage(
        name="transcripts",
        share=0.16,
        run=read_transcripts,
        inputs=write_transcripts,
        damaged=["*"],
        neutral=["crlf", "byte order mark", "newlines"],
        telling=change_a_word,
    ),
    Stage(
        name="recordings",
        share=0.07,
        run=index_corpus,
        inputs=write_recordings,
        damaged=["corpus/recordings.csv"],
        neutral=["crlf", "byte order mark", "newlines"],
        telling=relabel_recording,
    ),
    Stage(
        name="videos",
        share=0.02,
        longest_s=90,
        inputs=write_recordings,
        damaged=["corpus/*"],
        run=command(
            "curate",
            "{in}/corpus",
            "--out",
            "{out}",
            "--workers",
            "1",
            "--min-window",
            "1",
            "--on-problem",
            "skip",
            "--max-skipped-fraction",
            "1",
        ),
    ),
    Stage(
        name="boxes",
        share=0.08,
        run=corpus_boxes,
        inputs=write_recordings,
        damaged=["corpus/*.boxes.json"],
        neutral=["crlf", "byte order mark", "newlines", "order"],
        telling=relabel_box,
    ),
    *(
        Stage(
            name=f"photographs, {style}",
            share=0.04,
            run=photographs,
            inputs=write_photographs(style),
            damaged=["boxes/*", "boxes/*", "images/*"],
            neutral=neutral,
            telling=telling,
        )
        for style, neutral, telling in (
            ("coco", ["crlf", "byte order mark", "newlines", "order"], relabel_box),
            ("voc", ["crlf"], None),
            ("yolo", ["crlf", "byte order mark", "newlines"], None),
            ("one line", ["crlf", "newlines"], None),
        )
    ),
    Stage(
        name="import",
        share=0.06,
        inputs=copies(published="published"),
        damaged=["published/**/*"],
        run=command("toolbox", "import", "{in}/published", "--out", "{out}"),
        telling=change_published,
    ),
    Stage(
        name="toolbox",
        share=0.04,
        inputs=copies(toolbox="toolbox"),
        damaged=["toolbox/*", "toolbox/images/*"],
        run=command("toolbox", "export", "{in}/toolbox", "--out", "{out}"),
        telling=changed_gold,
    ),
    Stage(
        name="set, select",
        share=0.05,
        inputs=copies(set="set"),
        damaged=["set/*", "set/images/*"],
        run=command("corpus", "select", "{in}/set", "--out", "{out}", "--duplicate-bits", "6"),
    ),
    Stage(
        name="set, export",
        share=0.02,
        inputs=copies(set="set"),
        damaged=["set/*", "set/images/*", "set/instruction/*", "set/instruction/images/*"],
        run=command("corpus", "export", "{in}/set", "--out", "{out}", "--layout", "llava"),
    ),
    Stage(
        name="set, train",
        share=0.01,
        longest_s=90,
        inputs=copies(set="set"),
        keeps_output=True,
        damaged=["set/*", "set/images/*", "set/instruction/*"],
        run=command(*TRAIN, "--data", "{in}/set", "--out", "{out}", content=weights),
    ),
    Stage(
        name="checkpoint",
        share=0.03,
        inputs=copies(model="model/instruction", toolbox="toolbox"),
        damaged=["model/*"],
        run=command("evaluate", "{in}/model", "{in}/toolbox", "--out", "{out}", "--limit", "1", content=replies),
        keeps_output=True,
    ),
    Stage(
        name="run, score",
        share=0.07,
        inputs=copies(run="run", toolbox="toolbox"),
        damaged=["run/*"],
        run=command("score", "{in}/run", content=scores),
        telling=changed_run,
    ),
    Stage(
        name="run, report",
        share=0.02,
        inputs=copies(run="run", toolbox="toolbox"),
        damaged=["run/*"],
        run=command("report", "{in}/run", "--out", "{out}", content=lambda out: out.stat().st_size),
    ),
    Stage(
        name="run, resume",
        share=0.04,
        inputs=copies(run="run", toolbox="toolbox"),
        damaged=["run/*"],
        keeps_output=True,
        run=command(
            "evaluate",
            "baseline:random",
            "{in}/toolbox",
            "--out",
            "{in}/run",
            content=lambda out: replies(out.parent / "in" / "run"),
        ),
    ),
    Stage(name="decisions", share=0.04, run=decided, inputs=write_decisions, damaged=["decisions.jsonl"]),
    Stage(name="API bodies", share=0.06, run=ask_clients, inputs=write_bodies, spoil=spoil_body, says_where=False),
    Stage(name="replies", share=0.06, run=read_replies, inputs=write_replies, spoil=spoil_reply, says_where=False),
    Stage(
        name="study requests", share=0.05, run=send_request, inputs=begin_study, spoil=spoil_request, says_where=False
    ),
    Stage(
        name="study database",
        share=0.03,
        inputs=begin_study,
        damaged=["study/study.db"],
        run=command("study", "export", "{in}/study/study.db", "--out", "{out}"),
    ),
    Stage(name="settings", share=0.04, run=run_words, inputs=nothing, spoil=spoil_setting, says_where=False),
    Stage(
        name="command lines",
        share=0.05,
        run=run_words,
        inputs=small_inputs,
        spoil=spoil_words,
        says_where=False,
        keeps_output=True,
    ),
)


def prepare(given: Path) -> None:
    """What the stages' inputs are made of, beside what ``kills.prepare`` makes."""
    film(given / "films" / "film.mp4")
    make_study(given / "study")
