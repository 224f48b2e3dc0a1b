"""Our checkpoints as a model of lmms-eval 0.7: the same replies as ``babyvlm evaluate``.

generate_until               one prompt and its pictures -> a reply
generate_until_multi_round   all rounds of a document    -> a JSON list of replies, the key/value cache kept in between
loglikelihood                a phrase beside pictures    -> its mean loss, as lmms-eval's models return it

This module needs lmms-eval, in an environment of its own: its torchvision does not go with a CPU torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lmms_eval.api.model import lmms
from lmms_eval.api.registry import register_model
from PIL import Image

from babyvlm.errors import ConfigError
from babyvlm.evaluation.local import LocalModel
from babyvlm.leaderboard.tasks import MAX_NEW_TOKENS
from babyvlm.records import IMAGE_TOKEN, Question, QuestionTurn


@register_model("babyvlm")
class BabyVLM(lmms):  # type: ignore[misc]
    """One of our checkpoints, for lmms-eval.

    Args:
        pretrained: The checkpoint folder.
        conv_template: Only ``baby_v1`` is known.
        batch_size: Questions answered together.
        max_new_tokens: Longest reply, tokens.
        device: Where the model runs; a GPU where there is one, when empty.
    """

    is_simple = True

    def __init__(
        self,
        pretrained: str,
        conv_template: str = "baby_v1",
        batch_size: int | str = 32,
        max_new_tokens: int = MAX_NEW_TOKENS,
        device: str | None = None,
    ) -> None:
        super().__init__()
        if conv_template != "baby_v1":
            raise ConfigError(f"conv_template is {conv_template!r}; these checkpoints know baby_v1 alone")
        self._model = LocalModel(
            Path(pretrained),
            batch_size=int(batch_size),
            max_new_tokens=int(max_new_tokens),
            device="" if device in (None, "cuda") else str(device),
        )

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Replies to single prompts, in the order of the requests."""
        asked = []
        for context, _, doc_to_visual, doc_id, task, split in (request.args for request in requests):
            asked.append(([context], doc_to_visual, self.task_dict[task][split][doc_id]))
        return [texts[0] for texts in self._ask(asked)]

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        """Replies to every round of each document, as a JSON list."""
        asked = []
        for _, _, doc_to_visual, _, doc_id, task, split in (request.args for request in requests):
            doc = self.task_dict[task][split][doc_id]
            prompts = [turn["value"] for turn in doc["conversations"] if turn["from"] == "human"]
            asked.append((prompts, doc_to_visual, doc))
        return [json.dumps(texts, ensure_ascii=False) for texts in self._ask(asked)]

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """Mean loss of each phrase, and whether it would be the greedy reply.

        The published task asks nothing and hands over `` phrase``. As in the published wrapper, what is scored are the
        tokens of ``:  phrase<eos>`` behind the colon, after ``<image>`` and a line break.
        """
        found = []
        for context, doc_to_target, doc_to_visual, doc_id, task, split in (request.args for request in requests):
            doc = self.task_dict[task][split][doc_id]
            phrase = doc_to_target if isinstance(doc_to_target, str) else doc_to_target(doc)
            found.append(self._model.mean_loss(context, doc_to_visual(doc), phrase))
        return found

    def _ask(self, asked: list[tuple[list[str], Any, Any]]) -> list[list[str]]:
        questions = []
        for number, (prompts, _, doc) in enumerate(asked):
            questions.append(Question(id=str(number), task="", turns=_turns(number, prompts, len(doc["image"]))))
        shown: dict[int, list[Image.Image]] = {}

        def picture(name: str) -> Image.Image:
            number, place = map(int, name.split("/"))
            if number not in shown:
                if len(shown) > 512:
                    shown.clear()
                _, doc_to_visual, doc = asked[number]
                shown[number] = doc_to_visual(doc)
            return shown[number][place]

        replies = {response.item: response.replies for response in self._model.answer(questions, picture)}
        return [[reply.text or "" for reply in replies[str(number)]] for number in range(len(asked))]


def _turns(number: int, prompts: list[str], num_pictures: int) -> tuple[QuestionTurn, ...]:
    """The rounds of a document; pictures without any placeholder belong to the first."""
    places = [prompt.count(IMAGE_TOKEN) for prompt in prompts]
    if sum(places) == 0:
        places[0] = num_pictures
    names = iter(f"{number}/{place}" for place in range(num_pictures))
    return tuple(
        QuestionTurn(prompt=prompt, images=tuple(next(names) for _ in range(count)), options=())
        for prompt, count in zip(prompts, places, strict=True)
    )
