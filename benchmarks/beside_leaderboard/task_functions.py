"""What task files call in the leaderboard's environment, which has no babyvlm. Scores nothing: replies are compared.

Copied beside the task files in place of the functions that score there.
"""

from PIL import Image

METRICS = (
    "acc", "acc_exact", "acc_adjacent", "acc_learning", "acc_testing_raw", "acc_testing_adjusted", "image_score",
    "text_score", "group_score", "positive_context_group_score", "negative_context_group_score",
)  # fmt: skip


def doc_to_visual(doc):
    return [Image.open(path) for path in doc["image"]]


def doc_to_text(doc, *_, **__):
    return doc["conversations"][0]["value"] if "conversations" in doc else ""


def doc_to_target(doc):
    return doc["conversations"][1]["value"] if "conversations" in doc else doc["phrases"][doc["image_index"]]


def doc_to_choice(doc):
    return doc["phrases"]


def process_results(doc, results):
    return dict.fromkeys(METRICS, 0.0)


def _nothing(parts):
    return 0.0


pair_results = process_results
image_score = text_score = group_score = positive_context_group_score = negative_context_group_score = _nothing
