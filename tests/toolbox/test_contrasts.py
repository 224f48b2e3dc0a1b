"""Contrasts: every word was said, pictures differ in one thing, figures are put together as published."""

import json
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from babyvlm.cli import main
from babyvlm.errors import ConfigError, InputError
from babyvlm.evaluation import choose_respondent, evaluate
from babyvlm.evaluation.baselines import RandomGuess
from babyvlm.evaluation.dual_encoder import DualEncoderModel
from babyvlm.evaluation.frequency import FrequencyAlone
from babyvlm.evaluation.python_class import open_python
from babyvlm.records import OptionScores, Question, QuestionTurn, Reply, Response
from babyvlm.toolbox import open_toolbox
from babyvlm.toolbox.batteries import REGISTRY
from babyvlm.toolbox.contrasts import ContrastConfig, contrast_scores
from babyvlm.toolbox.contrasts.build import build_contrasts
from babyvlm.toolbox.contrasts.configuration import GRAMMATICAL, KINDS, LEXICAL
from babyvlm.toolbox.contrasts.trials import trial_of
from babyvlm.toolbox.contrasts.vocabulary import bin_of, count_words, read_vocabulary
from babyvlm.toolbox.published import ImportConfig
from babyvlm.words import words_of
from tests.evaluation.open_models import gpt2

SAID = words_of(
    "a an the is are and not this that red yellow green blue pink big little jumping chasing on under to left right of "
    "bigger smaller than one two three four near dog dogs cat cats duck ducks pig apple apples moon lamp cup star"
)
SMALL = ContrastConfig(per_word=2, per_kind=6, side=64)


def table(path, counts):
    path.write_text("word\tcount\n" + "".join(f"{word}\t{count}\n" for word, count in counts.items()))
    return path


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Words of which each was said once more than the one before."""
    path = tmp_path_factory.mktemp("said") / "said.tsv"
    return table(path, {word: number for number, word in enumerate(SAID, start=1)})


@pytest.fixture(scope="module")
def made(said, tmp_path_factory):
    pytest.importorskip("skia", reason="nothing can be drawn: the extra render is not installed")
    return build_contrasts(said, tmp_path_factory.mktemp("made") / "out", SMALL)


def trials_of(toolbox):
    found = defaultdict(list)
    for item in toolbox.items:
        found[trial_of(item).source].append(item)
    return found


def test_every_kind_has_contrasts_in_words_that_were_said(made):
    assert not made.left_out and all(made.trials[kind] for kind in KINDS)
    for item in made.toolbox.items:
        (turn,) = item.turns
        captions = turn.options if item.task.removeprefix("contrast_") in GRAMMATICAL else turn.labels
        assert all(word in SAID for caption in captions for word in words_of(caption)), captions
        assert turn.gold in turn.options and item.licence == "Apache-2.0"


def test_the_bin_of_a_noun_is_that_of_its_count(made):
    counts = {word: number for number, word in enumerate(SAID, start=1)}
    nouns = [item for item in made.toolbox.items if item.task == "contrast_nouns"]
    assert {item.category for item in nouns} == set(SAID) & {
        "dog", "cat", "duck", "pig", "apple", "moon", "lamp", "cup", "star"
    }  # fmt: skip
    for item in nouns:
        low, high = map(int, trial_of(item).bin.strip("[)").split(","))
        assert low <= counts[item.category] + counts.get(f"{item.category}s", 0) < high
    with (made.toolbox.folder / "words.tsv").open() as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    assert rows[0] == ["kind", "word", "count", "bin"]
    assert ["nouns", "dog", str(counts["dog"] + counts["dogs"]), bin_of(counts["dog"] + counts["dogs"])] in rows


def test_both_sides_of_every_contrast_are_asked_for(made):
    for kind in KINDS:
        golds = Counter()
        for item in made.toolbox.items:
            if item.task == f"contrast_{kind}":
                (turn,) = item.turns
                shown = turn.labels[turn.options.index(turn.gold)] if kind in LEXICAL else turn.gold
                golds[trial_of(item).name, shown] += 1
        by_trial = defaultdict(list)
        for (name, _), count in golds.items():
            by_trial[name].append(count)
        assert all(counts == [1, 1] for counts in by_trial.values()), kind


def test_pictures_of_a_contrast_differ_and_their_captions_by_little(made):
    for items in trials_of(made.toolbox).values():
        kind = trial_of(items[0]).kind
        if kind in GRAMMATICAL:
            first, second = (np.asarray(made.toolbox.image(item.turns[0].images[0]), float) for item in items)
            assert np.abs(first - second).mean() > 1
            corners = [(0, 0), (0, -1), (-1, 0), (-1, -1)]  # the same ground
            assert all((first[corner] == second[corner]).all() for corner in corners) or kind == "counting"
            one, other = (Counter(words_of(item.turns[0].gold)) for item in items)
            changed = (one - other).total() + (other - one).total()
            assert changed == 0 if kind in ("word_order", "embedded_relative") else changed <= 4, kind


def test_drawn_colours_are_those_of_the_captions(made):
    """Pixels of the two pictures differ where the thing is, and there each has the colour that its caption names."""
    middle = {"red": (212, 48, 44), "yellow": (248, 206, 52), "green": (60, 152, 66), "blue": (48, 98, 206),
              "pink": (242, 140, 178)}  # fmt: skip
    checked = 0
    for item in made.toolbox.items:
        colours = [next((word for word in words_of(label) if word in middle), "") for label in item.turns[0].labels]
        if item.task != "contrast_adjectives" or not all(colours):
            continue
        shown = [np.asarray(made.toolbox.image(name), float) for name in item.turns[0].images]
        there = np.abs(shown[0] - shown[1]).sum(-1) > 60
        for picture, colour in zip(shown, colours, strict=True):
            distances = {name: np.linalg.norm(picture[there] - paint, axis=-1) for name, paint in middle.items()}
            nearest = np.array(list(distances))[np.argmin(list(distances.values()), axis=0)]
            assert (nearest == colour).mean() > 0.5, item.turns[0].labels
        checked += 1
    assert checked > 5


def patches(there):
    """Sizes of the connected patches of a mask, by flooding."""
    left, sizes = set(zip(*np.nonzero(there), strict=True)), []
    while left:
        edge, size = [left.pop()], 0
        while edge:
            row, column = edge.pop()
            size += 1
            near = {(row + down, column + along) for down in (-1, 0, 1) for along in (-1, 0, 1)} & left
            left -= near
            edge += near
        sizes.append(size)
    return sizes


def test_numbers_that_are_counted_are_drawn(made):
    numbers = {"one": 1, "two": 2, "three": 3, "four": 4}
    for item in made.toolbox.items:
        if item.task == "contrast_counting":
            pixels = np.asarray(made.toolbox.image(item.turns[0].images[0]), float)
            ground = np.median(pixels.reshape(-1, 3), axis=0)
            sizes = patches(np.linalg.norm(pixels - ground, axis=-1) > 30)
            assert sum(size > 30 for size in sizes) == numbers[item.turns[0].gold.split()[0]], item.turns[0].gold


def test_what_was_not_said_is_left_out_and_named(tmp_path):
    pytest.importorskip("skia")
    few = table(tmp_path / "few.tsv", {"dog": 3, "cat": 2, "big": 1, "red": 1, "the": 4, "one": 2, "two": 1, "cats": 1})
    made = build_contrasts(few, tmp_path / "out", SMALL)
    assert made.trials["nouns"] and not any(made.trials[kind] for kind in GRAMMATICAL if kind != "counting")
    missing = {one.kind for one in made.left_out}
    assert missing == {kind for kind in KINDS if not made.trials[kind]}
    assert {(one.kind, one.what) for one in made.left_out} >= {("adjectives", "red"), ("adjectives", "big")}
    skipped = made.toolbox.manifest.skipped
    assert sum(skipped.values()) == len(made.left_out) and any(name.startswith("negation: ") for name in skipped)


def test_the_same_words_give_the_same_bytes(said, made, tmp_path):
    again = build_contrasts(said, tmp_path / "again", SMALL).toolbox
    for name in ("items.jsonl", "manifest.json", "words.tsv"):
        assert (again.folder / name).read_bytes() == (made.toolbox.folder / name).read_bytes()


def test_labelled_pictures_stand_in_for_drawings(said, tmp_path):
    for number, word in enumerate(("dog", "cat", "spoon", "apple")):
        (tmp_path / "pictures" / word).mkdir(parents=True)
        for turn in range(2):
            Image.new("RGB", (32, 32), (60 * number, 100 * turn, 9)).save(tmp_path / "pictures" / word / f"{turn}.png")
    made = build_contrasts(
        said, tmp_path / "out", ContrastConfig(drawn=False), pictures=tmp_path / "pictures", licence="restricted: mine"
    )
    assert {item.task for item in made.toolbox.items} == {"contrast_nouns"}
    assert {item.category for item in made.toolbox.items} == {"dog", "cat", "apple"}  # nobody said spoon
    assert {item.licence for item in made.toolbox.items} == {"restricted: mine"}
    assert {one.kind for one in made.left_out} == set(KINDS) - {"nouns"}


def test_tables_of_words_are_read_and_bad_ones_named(tmp_path):
    assert count_words(["the teddy bear", "teddy"], ["teddy bear"]).count("teddy bear", "teddy bears") == 1
    bad = tmp_path / "bad.tsv"
    bad.write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match="needs word and count"):
        read_vocabulary(bad)
    with pytest.raises(InputError, match="line 2"):
        read_vocabulary(table(tmp_path / "words.tsv", {"dog": "many"}))
    with pytest.raises(InputError, match="nothing was said"):
        read_vocabulary(table(tmp_path / "none.tsv", {"dog": 0}))
    with pytest.raises(ConfigError, match="--per-word"):
        ContrastConfig(per_word=0)


# Figures, worked by hand.


def replies(items, right, scores=None):
    """A response to each item: right or wrong, with scores where a function gives them."""
    for item in items:
        (turn,) = item.turns
        wrong = next(option for option in turn.options if option != turn.gold)
        given = None
        if scores is not None:
            given = OptionScores(kind="score", sums=tuple(scores(item, option) for option in turn.options))
        yield item, Response(item=item.id, replies=(Reply(text=turn.gold if right(item) else wrong, scores=given),))


def figures(items, right, scores=None):
    return contrast_scores((item, response, float(right(item))) for item, response in replies(items, right, scores))


def test_figures_are_means_over_bins_and_kinds(made):
    items = made.toolbox.items
    found = figures(items, lambda item: item.task in ("contrast_nouns", "contrast_negation"))
    assert (found.lexical, found.grammatical, found.overall) == (0.5, 1 / 8, (0.5 + 1 / 8) / 2)
    lowest = min(trial_of(item).bin for item in items if item.task == "contrast_nouns")
    one_bin = figures(items, lambda item: trial_of(item).bin == lowest and item.task == "contrast_nouns")
    bins = {trial_of(item).bin for item in items if item.task == "contrast_nouns"}
    assert {one.kind: one.value for one in one_bin.kinds}["nouns"] == pytest.approx(1 / len(bins))


def test_a_trial_is_decided_by_the_scores_of_both_captions(made):
    """A preference for one caption is worth half, however strong; a slight one for the right caption is worth all."""
    items = [item for item in made.toolbox.items if item.task == "contrast_negation"]
    liked = {trial_of(item).source: sorted(item.turns[0].options)[0] for item in items}

    def prior(item, option):
        return 5.0 * (option == liked[trial_of(item).source])

    def knows(item, option):
        return prior(item, option) + 0.1 * (option == item.turns[0].gold)

    def chosen(item):
        return item.turns[0].gold == liked[trial_of(item).source]

    def rounded(item, option):
        """Single precision: one part in ten million, against the right caption."""
        return -66.4 * (1 + 1e-7 * (option == item.turns[0].gold))

    for scores, value in ((prior, 0.5), (knows, 1.0), (rounded, 0.5)):
        (kind,) = figures(items, chosen, scores).kinds
        assert (kind.value, kind.by_pairs) == (value, True)
    (plain,) = figures(items, chosen).kinds
    assert (plain.value, plain.by_pairs) == (0.5, False)


def test_questions_without_a_reply_count_in_nothing(made):
    items = [item for item in made.toolbox.items if item.task == "contrast_counting"]
    gone = {item.id for item in items[::2]}
    found = contrast_scores(
        (item, response, None if item.id in gone else 1.0) for item, response in replies(items, lambda _: True)
    )
    assert found.failed == len(gone) and found.kinds[0].value == 1.0
    assert set(found.missing) == set(KINDS) - {"counting"} and found.overall is None


def test_word_counts_alone_are_worth_half(said, made):
    respondent = FrequencyAlone(read_vocabulary(said), made.toolbox.items)
    questions = [item.question() for item in made.toolbox.items]
    answered = {one.item: one for one in respondent.answer(questions, made.toolbox.image)}
    found = contrast_scores(
        (item, answered[item.id], float(answered[item.id].replies[0].text == item.turns[0].gold))
        for item in made.toolbox.items
    )
    of_grammar = {one.kind: one for one in found.kinds if one.kind in GRAMMATICAL}
    assert all(one.value == 0.5 and one.by_pairs for one in of_grammar.values())
    counts = {word: number for number, word in enumerate(SAID, start=1)}
    by_bin = defaultdict(list)
    for item in made.toolbox.items:
        if item.task == "contrast_nouns":
            bins = {bin_of(counts[label] + counts.get(f"{label}s", 0)) for label in item.turns[0].labels}
            if len(bins) == 1:  # another noun of the bin was said
                by_bin[bins.pop()].append(answered[item.id].replies[0].text == item.turns[0].gold)
    assert by_bin and all(sum(right) * 2 == len(right) for right in by_bin.values())
    first = next(item for item in made.toolbox.items if item.task == "contrast_counting")
    assert len(set(answered[first.id].replies[0].scores.sums)) == 2


def test_a_run_has_the_figures_and_prints_them(made, said, tmp_path, capsys):
    evaluate(RandomGuess(), made.toolbox, tmp_path / "run")
    saved = json.loads((tmp_path / "run" / "scores.json").read_text())["babyvlm"]["contrasts"]
    assert {one["kind"] for one in saved["kinds"]} == set(KINDS) and 0 < saved["overall"] < 1
    main(["score", str(tmp_path / "run")])
    assert "contrasts, %: lexical" in capsys.readouterr().out
    main(["evaluate", f"frequency:{said}", str(made.toolbox.folder), "--out", str(tmp_path / "counted")])
    assert "overall" in capsys.readouterr().out


# The published trials.


def published(folder):
    REGISTRY.get("machine-devbench").write_example(folder)
    return folder


def test_published_trials_are_imported_and_their_low_bins_merged(tmp_path):
    (tmp_path / "source").mkdir()
    imported = REGISTRY.get("machine-devbench")(published(tmp_path / "source"), tmp_path / "out", ImportConfig())
    items = open_toolbox(tmp_path / "out").items
    assert Counter(item.task for item in items) == {"contrast_nouns": 4, "contrast_counting": 2}
    assert {trial_of(item).bin for item in items} == {"[1,4)", "[8,16)"} and imported.problems == {}
    for item in items:
        (turn,) = item.turns
        if item.task == "contrast_nouns":
            assert turn.labels[turn.options.index(turn.gold)] == item.category
        else:
            assert turn.options in (("one dog", "two dogs"), ("two dogs", "one dog")) and len(turn.images) == 1


def test_trials_that_lack_something_are_named_and_counted(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    published(source)
    path = source / "Lexical" / "Nouns" / "manifest_nouns_cartoon.json"
    trials = json.loads(path.read_text())["items"]
    del trials[0]["caption_positive"]
    path.write_text(json.dumps({"items": trials}))
    (source / "Lexical" / "Verbs").mkdir()
    (source / "Lexical" / "Verbs" / "manifest_verbs_cartoon.json").write_text('{"items": []}')
    found = REGISTRY.get("machine-devbench")(source, tmp_path / "out", ImportConfig())
    assert found.problems == {
        "kind: verbs is no part of the measure": 1, "trial: a picture, the caption or the bin is missing": 1
    }  # fmt: skip
    assert found.examples["trial: a picture, the caption or the bin is missing"] == [
        "Lexical/Nouns/manifest_nouns_cartoon.json, trial 1"
    ]
    path.write_text("{")
    with pytest.raises(InputError, match="manifest_nouns_cartoon"):
        REGISTRY.get("machine-devbench")(source, tmp_path / "other", ImportConfig())


def test_bins_are_powers_of_two():
    labels = [bin_of(count) for count in range(1, 200)]
    assert labels[:3] == ["[1,4)"] * 3 and len(dict.fromkeys(labels)) == 7
    edges = [tuple(map(int, label.strip("[)").split(","))) for label in dict.fromkeys(labels)]
    assert all(one[1] == other[0] for one, other in pairwise(edges))


# Who answers contrasts.


class Reddest:
    """Puts pictures by how red they are, and texts by whether they say so."""

    name, family, revision, scale, bias = "reddest", "baby model", "", 10.0, -1.0

    def features(self, pictures):
        return torch.tensor([[float(np.asarray(one)[..., 0].mean()), 128.0] for one in pictures])

    def placed(self, features):
        return torch.nn.functional.normalize(features, dim=-1)

    def text(self, text):
        return torch.tensor([1.0, 0.0] if "red" in text else [0.0, 1.0]) if "pink" not in text else None


def captioned(folder, shade, options):
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(folder / f"{shade}.png")
    turn = QuestionTurn(
        prompt=f'<image> Which is right? "{options[0]}" or "{options[1]}"', images=(f"{shade}.png",), options=options
    )
    return Question(id=f"{shade}{options}", task="contrast_subject_adjective", turns=(turn,))


def test_a_dual_encoder_takes_the_caption_most_like_the_picture(tmp_path):
    encoder = DualEncoderModel(Reddest())
    options = "a red cup", "a blue cup"
    questions = [captioned(tmp_path, shade, order) for shade in (250, 20) for order in (options, options[::-1])]
    unknown = captioned(tmp_path, 250, ("a pink cup", "a red cup"))
    found = {one.item: one.replies[0] for one in encoder.answer([*questions, unknown], _pictures(tmp_path))}
    for question in questions:
        shade = int(question.turns[0].images[0].split(".")[0])
        reply, shown = found[question.id], question.turns[0].options
        assert reply.text == ("a red cup" if shade > 128 else "a blue cup")
        expected = [10 * (shade if "red" in one else 128) / np.hypot(shade, 128) - 1 for one in shown]
        assert reply.scores.sums == pytest.approx(expected, abs=1e-4) and reply.scores.kind == "similarity"
    assert len(set(found[unknown.id].scores.sums)) == 1 and encoder.takes("contrast_negation")


def _pictures(folder):
    return lambda name: Image.open(folder / name).convert("RGB")


def test_a_class_with_score_chooses_between_captions(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "class Red:\n"
        "    def score(self, texts, images):\n"
        "        return np.array([[np.asarray(i)[..., 0].mean() * ('red' in t) + 128 * ('red' not in t)"
        " for i in images] for t in texts])\n"
    )
    respondent = open_python(f"{tmp_path}/mine.py:Red")
    questions = [captioned(tmp_path, shade, ("a red cup", "a blue cup")) for shade in (250, 20)]
    found = [one.replies[0].text for one in respondent.answer(questions, _pictures(tmp_path))]
    assert found == ["a red cup", "a blue cup"] and respondent.takes("contrast_negation")


def test_a_language_model_sees_no_picture_and_is_worth_half(made, tmp_path):
    gpt2(tmp_path / "lm")
    respondent = choose_respondent(f"lm:{tmp_path / 'lm'}", made.toolbox)
    scores = evaluate(respondent, made.toolbox, tmp_path / "run", tasks=["contrast_counting", "contrast_word_order"])
    assert [(one.value, one.by_pairs) for one in scores.contrasts.kinds] == [(0.5, True)] * 2
