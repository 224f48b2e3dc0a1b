"""Samples made by the thousand are those that the templates and rules say, whichever process makes them."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from babyvlm.curation import columns as curated
from babyvlm.curation.columns import ConversationColumns, conversation_columns, picture_numbers
from babyvlm.curation.sets import CONVERSATION_SCHEMA
from babyvlm.errors import DataFolderError
from babyvlm.model import ConversationEncoder, train_tokenizer
from babyvlm.model.tokenizer import EOS, SOS, UNK
from babyvlm.recipes import saycam, saycam_published
from babyvlm.records import Conversation, Turn
from babyvlm.training.configuration import SampleRules
from babyvlm.training.encoded import read_samples
from babyvlm.training.encoding import encode_conversations, encode_share, join_shares, write_numbers
from babyvlm.training.nodes import Place
from babyvlm.training.origins import recording_finder
from babyvlm.words import words_of

IMAGE, PER_IMAGE, CONTEXT, IGNORED = 300, 5, 60, -100
TEXT = ["look at the red ball", "Where's the dog? dog, dog!", "USER: what is it? ASSISTANT: a cup"]


def metaspace():
    """A tokenizer of another kind: a blank is written before each word, also before the first."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "<unk>", "<sos>", "<eos>"]
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=120, special_tokens=special))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


def truncating():
    """One whose file says that texts are cut and filled up."""
    made = train_tokenizer(TEXT, 300, 256)
    made.backend_tokenizer.enable_truncation(3)
    made.backend_tokenizer.enable_padding(length=7)
    return made


TOKENIZERS = {"ours": lambda: train_tokenizer(TEXT, 300, 256), "metaspace": metaspace, "truncating": truncating}
RULES = [
    SampleRules(),
    saycam_published().joint.samples,
    SampleRules(too_long="cut", bare_prompts=True),
    SampleRules(learn_unknown=False, unplaced_pictures="drop"),
]


def drawn(draw, number):
    """A conversation with odd texts, pictures that are placed or not, of several sources."""
    words = [*["look", "at", "THE", "red", "ball", "ﬁsh", "☕", "Ünïcode"], " ", "\n", "<eos>", "it's", ""]

    def text():
        return " ".join(words[place] for place in draw.integers(0, len(words), draw.integers(0, 9)))

    images = tuple(f"picture {place}" for place in draw.integers(0, 20, draw.integers(0, 4)))
    turns = [[text(), text()] for _ in range(draw.integers(1, 4))]
    if draw.random() < 0.7:
        for _ in images:
            turn = turns[draw.integers(0, len(turns))]
            turn[0] += "<image>" + text()
    if draw.random() < 0.1:
        turns[-1][1] += " <image>"
    task, variant = [("", "published"), ("count", "balanced"), ("count", "easy")][draw.integers(0, 3)]
    return Conversation(
        id=f"c{number}", format="instruction", images=images, task=task, variant=variant, recording="",
        turns=tuple(Turn(prompt=prompt, answer=answer) for prompt, answer in turns),
        start_s=None if draw.random() < 0.5 else 2.5,
    )  # fmt: skip


def by_definition(row, stage, tokenizer, index, context=CONTEXT):
    """Ids, labels and pictures of one conversation by the templates and rules; whether it is too long."""
    rules, turns, images = stage.samples, [(turn.prompt, turn.answer) for turn in row.turns], list(row.images)
    plain = stage.template == "baby_plain"
    if rules.bare_prompts and plain:
        turns, images = [("<image>", answer) for _, answer in turns], images[: len(turns)]
    if rules.strip_prompts:
        turns = [(prompt.strip(), answer) for prompt, answer in turns]
    placed = any("<image>" in prompt for prompt, _ in turns)
    if rules.unplaced_pictures == "drop" and not placed:
        images = []
    if images and not placed:
        prompt, answer = turns[0]
        places = "<image>" * len(images) if plain else " ".join(["<image>"] * len(images)) + "\n"
        turns = [(places + prompt, answer), *turns[1:]]

    def tokens(text):
        ids = []
        for place, piece in enumerate(text.split("<image>")):
            ids += [IMAGE] * bool(place) + tokenizer.encode(piece, add_special_tokens=False)
        return ids

    laid = []
    for number, (prompt, answer) in enumerate(turns):
        if plain:
            asked, answered = ([] if number else [SOS]) + tokens(prompt), tokens(answer)
        else:
            asked = ([] if number else [SOS]) + tokens(f"{'' if number else ' '}USER: {prompt} ASSISTANT:")
            answered = tokens(f" {answer}")
        laid += [(token, IGNORED) for token in asked] + [(token, token) for token in [*answered, EOS]]
    if not rules.learn_unknown:
        laid = [(token, IGNORED if label == UNK else label) for token, label in laid]
    whole = [pair for pair in laid for _ in range(PER_IMAGE if pair[0] == IMAGE else 1)]
    too_long = len(whole) > context
    if too_long and rules.too_long == "leave out":
        return None, True
    if too_long:
        kept, length = [], 0
        for pair in laid:
            length += PER_IMAGE if pair[0] == IMAGE else 1
            if length > context:
                break
            kept.append(pair)
        images = images[: sum(token == IMAGE for token, _ in kept)]
        whole = [pair for pair in kept for _ in range(PER_IMAGE if pair[0] == IMAGE else 1)]
    return (
        [token for token, _ in whole],
        [label for _, label in whole],
        tuple(index[each] for each in images),
    ), too_long


def as_lists(sample):
    return sample.ids.tolist(), sample.labels.tolist(), sample.images


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("rules", RULES, ids=range(len(RULES)))
@pytest.mark.parametrize("stage", ["alignment", "joint", "instruction"])
def test_many_at_once_are_as_the_templates_and_rules_say(kind, rules, stage):
    settings, tokenizer = replace(getattr(saycam(), stage), samples=rules), TOKENIZERS[kind]()
    draw = np.random.default_rng(3)
    rows = [drawn(draw, number) for number in range(200)]
    index = {f"picture {place}": 19 - place for place in range(20)}
    encoder = ConversationEncoder(tokenizer, image_token_id=IMAGE, image_tokens=PER_IMAGE)
    found, too_long = encode_conversations(rows, encoder, settings, index=index, context=CONTEXT)
    expected, longer = {}, 0
    for row in rows:
        sample, long = by_definition(row, settings, TOKENIZERS["ours" if kind == "truncating" else kind](), index)
        longer += long
        if sample is not None:
            expected.setdefault(row.source, []).append(sample)
    assert 0 < too_long == longer < len(rows)
    assert list(found) == list(expected)
    assert {name: list(map(as_lists, members)) for name, members in found.items()} == expected


@pytest.mark.parametrize("shares", [1, 2, 3, 7])
def test_shares_joined_are_what_the_records_say(data, tmp_path, monkeypatch, shares):
    for name in ("image", "video", "interleaved"):
        table = pq.read_table(data.conversations_path(name))
        copy = tmp_path / f"{name}.parquet"
        pq.write_table(table, copy, row_group_size=13)
    monkeypatch.setattr(type(data), "conversations_path", lambda _, name: tmp_path / f"{name}.parquet")
    monkeypatch.setattr(curated, "_ROWS", 5)
    tokenizer, stage = train_tokenizer(TEXT, 300, 256), saycam().joint
    encoder = ConversationEncoder(tokenizer, image_token_id=IMAGE, image_tokens=PER_IMAGE)
    folder = tmp_path / "samples"
    folder.mkdir()
    numbers, distinct = picture_numbers(data, stage.formats, "train")
    write_numbers(folder, numbers)
    for rank in reversed(range(shares)):
        place = Place(node=0, nodes=1, local_rank=rank, local_processes=shares)
        encode_share(folder, data, encoder, stage, context=CONTEXT, place=place)
    join_shares(folder, stage.formats, shares)
    found = read_samples(folder, image_token=IMAGE, image_tokens=PER_IMAGE)
    rows = [row for name in stage.formats for row in data.conversations(name, "train")]
    index = {image: place for place, image in enumerate(dict.fromkeys(each for row in rows for each in row.images))}
    assert distinct == len(index)
    places = {recording.id: place for place, recording in enumerate(data.recordings)}
    expected, origins, longer = {}, {}, 0
    for row in rows:
        sample, long = by_definition(row, stage, tokenizer, index)
        longer += long
        if sample is not None:
            expected.setdefault(row.source, []).append(sample)
            text = " ".join(f"{turn.prompt} {turn.answer}" for turn in row.turns).replace("<image>", " ")
            origins.setdefault(row.source, []).append(([places[row.recording]], row.start_s, len(words_of(text))))
    assert found.facts == {"too long": longer}
    assert {name: list(map(as_lists, members)) for name, members in found.sources.items()} == expected
    for name, samples in found.sources.items():
        known = samples.origins
        recordings = np.split(known.recordings_R, known.first_N[1:-1])
        said = zip(map(list, recordings), known.start_s_N.tolist(), known.words_N.tolist(), strict=True)
        assert list(said) == origins[name]
    files = [f"{number}.arrow" for number in range(len(expected))]
    assert sorted(path.name for path in folder.iterdir()) == [*files, "sources.json"]


FAULTS = {
    "no turn": {"turns": []},
    "a prompt is missing": {"turns": [{"prompt": None, "answer": "a"}]},
    "an answer is missing": {"turns": [{"prompt": "a", "answer": None}]},
    "an image is missing": {"images": [None]},
    "no images": {"images": None},
    "another format": {"format": "film"},
    "another split": {"split": "all"},
    "another variant": {"variant": "hardest"},
    "no variant": {"variant": None},
    "no id": {"id": None},
    "more places than pictures": {"turns": [{"prompt": "<image><image>", "answer": "a"}]},
    "fewer places than pictures": {"images": ["a", "b", "c"], "turns": [{"prompt": "<image><image>", "answer": "a"}]},
}
VALID = {
    "id": "c", "format": "image", "images": ["a"], "turns": [{"prompt": "<image>", "answer": "a"}], "split": "train",
    "recording": "r", "start_s": None, "end_s": None, "task": "", "variant": "published",
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_rows_that_are_no_conversations_are_refused_as_the_record_refuses_them(fault, tmp_path):
    rows = [VALID, VALID | FAULTS[fault], VALID]
    with pytest.raises(ValidationError) as refused:
        Conversation.model_validate(rows[1])
    batch = pa.RecordBatch.from_pylist(rows, schema=CONVERSATION_SCHEMA)
    with pytest.raises(DataFolderError, match="not a valid Conversation") as found:
        ConversationColumns.of_rows(batch, tmp_path)
    assert refused.value.errors()[0]["msg"] in str(found.value)


def test_valid_rows_are_taken_without_the_record(monkeypatch, tmp_path):
    rows = [
        VALID,
        VALID | {"turns": [{"prompt": "look", "answer": ""}]},
        VALID | {"images": [], "turns": VALID["turns"][:1]},
    ]
    rows[2]["turns"] = [{"prompt": "", "answer": "a"}]
    monkeypatch.setattr(Conversation, "model_validate", lambda row: pytest.fail("not needed"))
    batch = pa.RecordBatch.from_pylist(rows, schema=CONVERSATION_SCHEMA)
    assert len(ConversationColumns.of_rows(batch, tmp_path)) == 3
    assert len(ConversationColumns.of_rows(batch[1:], tmp_path)) == 2


def test_columns_of_a_file_are_its_conversations(data):
    for name in ("image", "video", "interleaved", "instruction"):
        rows = data.conversations(name, "train")
        read = [columns for _, columns in conversation_columns(data, name, "train")]
        assert [source for each in read for source in each.sources] == [row.source for row in rows]
        assert [turn for each in read for turn in each.turns] == [
            (turn.prompt, turn.answer) for row in rows for turn in row.turns
        ]
        find = recording_finder(data)
        places = {recording.id: place for place, recording in enumerate(data.recordings)}
        assert [list(find(*of)) for each in read for of in each.conversations] == [
            [places[shown] for shown in data.recordings_of(row)] for row in rows
        ]
