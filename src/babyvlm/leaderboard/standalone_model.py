"""BabyLLaVA-V2 for lmms-eval 0.3.0: the ``model.py`` of a leaderboard submission, which stands alone.

The leaderboard's runner copies this file beside lmms-eval's own models, registers the one class in it, and runs it with
``--model_args pretrained=CHECKPOINT,conv_template=baby_v1``. It needs torch 2.0, safetensors, tokenizers, Pillow and
lmms-eval alone, in Python 3.8 or later, and computes the model itself:

    pictures_NCHW - ViT - every token after the last layer norm - MLP -+
    text - byte-level BPE - token embedding ---------------------------+- LLaMA - next token

Prompts are those of the published wrapper: a record without ``<image>`` gets ``<image> <image>\\n`` in front, answers
are scored with the blanks before and the ``<eos>`` behind them, a conversation longer than the context is cut there.
Replies are greedy. A record that fails has an empty reply, and is logged.

N pictures, T tokens a picture, C channels, H x W pixels; L tokens, P tokens read before, D width, K width of a head,
V vocabulary.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import torch
from lmms_eval.api.model import lmms
from lmms_eval.api.registry import register_model
from loguru import logger
from PIL import Image
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional as F
from tqdm import tqdm

IMAGE_TOKEN = "<image>"
SOS, EOS = "<sos>", "<eos>"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BILINEAR = getattr(Image, "Resampling", Image).BILINEAR  # Pillow before 9.1 has it elsewhere
PICTURES_AT_ONCE = 64
MAX_NEW_TOKENS, MAX_NEW_TOKENS_ROUND = 1024, 128
# One name for each weight, whichever version of transformers saved it.
NAMES = (
    (r"^(model\.)?vision_tower\.(vision_model\.)?", "tower."),
    (r"^(model\.)?multi_modal_projector\.", "connector."),
    (r"^(model\.language_model\.|language_model\.model\.)", "text."),
    (r"^language_model\.lm_head\.", "lm_head."),
    (r"\bencoder\.layer\.", "layers."),
    (r"\battention\.attention\.(query|key|value)\b", r"attention.\1"),
    (r"\battention\.(query|key|value)\b", lambda found: "attention." + found.group(1)[0] + "_proj"),
    (r"\battention\.output\.dense\b", "attention.o_proj"),
    (r"\bintermediate\.dense\b", "mlp.fc1"),
    (r"\boutput\.dense\b", "mlp.fc2"),
)


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """All weights of a checkpoint, float32, by the names of `NAMES`."""
    weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(path).items():
            for pattern, replacement in NAMES:
                name = re.sub(pattern, replacement, name)
            weights[name] = tensor.float()
    if "text.embed_tokens.weight" not in weights:
        raise ValueError(f"{folder}: no weights of a whole model in its safetensors files")
    weights.setdefault("lm_head.weight", weights["text.embed_tokens.weight"])
    return weights


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer, also where an older version of tokenizers reads what a newer one wrote."""
    written = read_json(folder / "tokenizer.json")
    model = written["model"]
    model["merges"] = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    model.pop("ignore_merges", None)
    return Tokenizer.from_str(json.dumps(written))


def square_picture(picture: Image.Image, side: int, fit: str) -> torch.Tensor:
    """A picture made square (padded with the mean colour, or stretched), resized and normalised, CHW."""
    picture = picture.convert("RGB")
    if fit == "pad" and picture.width != picture.height:
        longer = max(picture.size)
        square = Image.new("RGB", (longer, longer), tuple(int(mean * 255) for mean in IMAGENET_MEAN))
        square.paste(picture, ((longer - picture.width) // 2, (longer - picture.height) // 2))
        picture = square
    pixels_HWC = torch.tensor(np.asarray(picture.resize((side, side), BILINEAR)))
    normalised_HWC = (pixels_HWC.float() / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    return normalised_HWC.permute(2, 0, 1)


def linear(weights: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, weights[name + ".weight"], weights.get(name + ".bias"))


def layer_norm(weights: dict[str, torch.Tensor], name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], weights[name + ".weight"], weights[name + ".bias"], eps)


def rms_norm(weights: dict[str, torch.Tensor], name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weights[name + ".weight"]


def picture_features(weights: dict[str, torch.Tensor], config: dict, pixels_NCHW: torch.Tensor) -> torch.Tensor:
    """What the language model sees of pictures, NTD: the tower's final, layer-normed tokens through the connector."""
    vision = config["vision_config"]
    heads, eps = vision["num_attention_heads"], vision["layer_norm_eps"]
    patches, stem = "tower.embeddings.patch_embeddings.projection", vision.get("stem") or ()
    x_NCHW = pixels_NCHW.contiguous(memory_format=torch.channels_last) if stem else pixels_NCHW
    left = vision["patch_size"]
    for number, (before, channels) in enumerate(zip([3, *stem][:-1], stem, strict=True)):
        layer, stride = f"{patches}.halvings.{number}", 1 if before == channels else 2
        x_NCHW = F.conv2d(x_NCHW, weights[layer + ".weight"], weights[layer + ".bias"], stride=stride, padding=1)
        x_NCHW, left = F.gelu(x_NCHW), left // stride
    layer = patches + ".patches" if stem else patches
    x_NTD = F.conv2d(x_NCHW, weights[layer + ".weight"], weights[layer + ".bias"], stride=left)
    x_NTD = x_NTD.flatten(2).transpose(1, 2)
    class_N1D = weights["tower.embeddings.cls_token"].expand(len(x_NTD), -1, -1)
    x_NTD = torch.cat([class_N1D, x_NTD], dim=1) + weights["tower.embeddings.position_embeddings"]
    for number in range(vision["num_hidden_layers"]):
        block = f"tower.layers.{number}."
        h_NTD = layer_norm(weights, block + "layernorm_before", x_NTD, eps)
        q, k, v = (
            linear(weights, f"{block}attention.{part}_proj", h_NTD).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in "qkv"
        )
        attended_NTD = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x_NTD = x_NTD + linear(weights, block + "attention.o_proj", attended_NTD)
        h_NTD = layer_norm(weights, block + "layernorm_after", x_NTD, eps)
        x_NTD = x_NTD + linear(weights, block + "mlp.fc2", F.gelu(linear(weights, block + "mlp.fc1", h_NTD)))
    x_NTD = layer_norm(weights, "tower.layernorm", x_NTD, eps)
    return linear(weights, "connector.linear_2", F.gelu(linear(weights, "connector.linear_1", x_NTD)))


def turned(x_HLK: torch.Tensor, positions_L: torch.Tensor, theta: float) -> torch.Tensor:
    """Rotary position embedding."""
    half = x_HLK.shape[-1] // 2
    frequencies = 1.0 / theta ** (torch.arange(half, device=x_HLK.device, dtype=torch.float32) / half)
    angles_L2K = torch.cat([positions_L[:, None].float() * frequencies] * 2, dim=-1)
    rotated_HLK = torch.cat([-x_HLK[..., half:], x_HLK[..., :half]], dim=-1)
    return x_HLK * angles_L2K.cos() + rotated_HLK * angles_L2K.sin()


def read_on(weights: dict[str, torch.Tensor], config: dict, x_LD: torch.Tensor, cache: list) -> torch.Tensor:
    """The language model on embeddings, behind those in the cache.

    Args:
        weights: As `read_weights` gives them.
        config: Of the checkpoint.
        x_LD: Embeddings.
        cache: Keys and values (groups, P, K) of each layer; grows. Empty before the first call.

    Returns:
        Logits, LV.
    """
    text = config["text_config"]
    heads, groups, eps = text["num_attention_heads"], text["num_key_value_heads"], text["rms_norm_eps"]
    theta = (text.get("rope_parameters") or text).get("rope_theta", 10000.0)
    before, length = cache[0][0].shape[1] if cache else 0, len(x_LD)
    positions_L = torch.arange(before, before + length, device=x_LD.device)
    seen_LP = torch.arange(before + length, device=x_LD.device)[None] <= positions_L[:, None]
    for number in range(text["num_hidden_layers"]):
        block = f"text.layers.{number}."
        h_LD = rms_norm(weights, block + "input_layernorm", x_LD, eps)
        q = linear(weights, block + "self_attn.q_proj", h_LD).unflatten(-1, (heads, -1)).transpose(0, 1)
        k, v = (
            linear(weights, f"{block}self_attn.{part}_proj", h_LD).unflatten(-1, (groups, -1)).transpose(0, 1)
            for part in "kv"
        )
        q, k = turned(q, positions_L, theta), turned(k, positions_L, theta)
        if before:
            k, v = torch.cat([cache[number][0], k], dim=1), torch.cat([cache[number][1], v], dim=1)
        cache[number : number + 1] = [(k, v)]
        k, v = (part.repeat_interleave(heads // groups, dim=0) for part in (k, v))
        attended_LD = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=seen_LP)[0]
        x_LD = x_LD + linear(weights, block + "self_attn.o_proj", attended_LD.transpose(0, 1).flatten(1))
        h_LD = rms_norm(weights, block + "post_attention_layernorm", x_LD, eps)
        gated_LD = F.silu(linear(weights, block + "mlp.gate_proj", h_LD)) * linear(weights, block + "mlp.up_proj", h_LD)
        x_LD = x_LD + linear(weights, block + "mlp.down_proj", gated_LD)
    logits_LV = linear(weights, "lm_head", rms_norm(weights, "text.norm", x_LD, eps))
    if not config.get("placeholder_has_output", True):
        logits_LV[:, config["image_token_index"]] = -torch.inf
    return logits_LV


def with_places(prompt: str, num_pictures: int) -> str:
    """A prompt with a place for each picture; in front, as the published wrapper puts them, where it has none."""
    if not num_pictures or IMAGE_TOKEN in prompt:
        return prompt
    return " ".join([IMAGE_TOKEN] * num_pictures) + "\n" + prompt


def conversation(turns: list) -> str:
    """The ``baby_v1`` template; as in the published one, a turn with an empty answer ends in ``ASSISTANT:``."""
    text = " "
    for prompt, answer in turns:
        text += f"USER: {prompt} " if prompt else "USER:"
        text += f"ASSISTANT: {answer}{EOS}" if answer else "ASSISTANT:"
    return text


def refuse_all_failed(failures: list, requests: list) -> None:
    """One record that fails is one empty reply; where all of them fail, something else is wrong."""
    if failures and len(failures) == len(requests):
        raise RuntimeError(f"every one of {len(requests)} records failed") from failures[-1]


@register_model("babyvlm")
class BabyVLM(lmms):  # type: ignore[misc]
    """A checkpoint of BabyLLaVA-V2, trained or converted by the babyvlm package.

    Args:
        pretrained: The checkpoint's folder, or its name on the hub.
        conv_template: Only ``baby_v1`` is known.
        device: Where the model runs; a GPU where there is one, when empty.
        batch_size: Accepted and of no effect: records are asked one by one.
    """

    def __init__(
        self,
        pretrained: str,
        conv_template: str = "baby_v1",
        device: str | None = None,
        batch_size: int = 1,
        **other: object,
    ) -> None:
        super().__init__()
        if other:
            raise ValueError(f"unknown model arguments: {', '.join(other)}")
        if conv_template != "baby_v1":
            raise ValueError(f"conv_template is {conv_template!r}; these checkpoints know baby_v1 alone")
        folder = Path(pretrained)
        if not folder.is_dir():
            from huggingface_hub import snapshot_download

            folder = Path(snapshot_download(pretrained))
        self.batch_size = batch_size
        available = torch.cuda.is_available()
        self.device = torch.device("cpu" if not available else device or "cuda")
        self.config = read_json(folder / "config.json")
        self._model = {name: tensor.to(self.device) for name, tensor in read_weights(folder).items()}
        self.tokenizer = read_tokenizer(folder)
        self._context = self.config["text_config"]["max_position_embeddings"]
        self._sos, self._eos = self.tokenizer.token_to_id(SOS), self.tokenizer.token_to_id(EOS)

    def token_ids(self, text: str) -> list[int]:
        """``<sos>`` and the tokens of a text, piece by piece between pictures; one id for each picture."""
        ids: list = [self._sos]
        for number, piece in enumerate(text.split(IMAGE_TOKEN)):
            ids += [self.config["image_token_index"]] if number else []
            ids += self.tokenizer.encode(piece, add_special_tokens=False).ids
        return ids

    def features(self, pictures: list) -> torch.Tensor:
        """What the language model sees of pictures, NTD."""
        side, fit = self.config["vision_config"]["image_size"], self.config.get("image_fit", "pad")
        pixels_NCHW = torch.stack([square_picture(picture, side, fit) for picture in pictures])
        parts = pixels_NCHW.split(PICTURES_AT_ONCE)
        return torch.cat([picture_features(self._model, self.config, part.to(self.device)) for part in parts])

    def embeddings(self, ids: list, features_NTD: torch.Tensor | None) -> torch.Tensor:
        """Embeddings of tokens, each picture's in place of its id, cut at the context, LD."""
        table_VD = self._model["text.embed_tokens.weight"]
        shown, parts, begin = 0, [], 0
        for place in [place for place, token in enumerate(ids) if token == self.config["image_token_index"]]:
            if features_NTD is None or shown == len(features_NTD):
                raise ValueError(f"{ids.count(ids[place])} places for {shown} pictures")
            parts += [table_VD[torch.tensor(ids[begin:place], dtype=torch.long)], features_NTD[shown]]
            shown, begin = shown + 1, place + 1
        if features_NTD is not None and shown < len(features_NTD):
            raise ValueError(f"{shown} places for {len(features_NTD)} pictures")
        parts.append(table_VD[torch.tensor(ids[begin:], dtype=torch.long)])
        return torch.cat(parts)[: self._context]

    def write(self, turns: list, features_NTD: torch.Tensor | None, longest: int, known: dict) -> str:
        """The greedy reply to the last turn.

        Args:
            turns: (prompt, answer) pairs, the last with an empty answer.
            features_NTD: Of all their pictures.
            longest: Most tokens of the reply.
            known: The embeddings and the cache of an earlier call on the same conversation, to be read on from.
        """
        x_LD = self.embeddings(self.token_ids(conversation(turns)), features_NTD)
        same = 0
        if known:
            shorter = min(len(known["x_LD"]), len(x_LD) - 1)
            alike_L = (known["x_LD"][:shorter] == x_LD[:shorter]).all(-1)
            same = shorter if bool(alike_L.all()) else int((~alike_L).int().argmax())
        cache = [(k[:, :same], v[:, :same]) for k, v in known.get("cache", [])] if same else []
        logits_V = read_on(self._model, self.config, x_LD[same:], cache)[-1]
        known.update(x_LD=x_LD, cache=list(cache))
        written: list[int] = []
        while int(logits_V.argmax()) != self._eos:
            written.append(int(logits_V.argmax()))
            if len(written) == longest:
                break
            last_1D = self._model["text.embed_tokens.weight"][written[-1:]]
            logits_V = read_on(self._model, self.config, last_1D, cache)[-1]
        return self.tokenizer.decode(written, skip_special_tokens=True)

    @torch.inference_mode()
    def generate_until(self, requests: list) -> list[str]:
        """Replies to single prompts, in the order of the requests."""
        replies, failures = [], []
        for request in tqdm(requests, desc="Replies"):
            prompt, settings, doc_to_visual, doc_id, task, split = request.args
            try:
                pictures = doc_to_visual(self.task_dict[task][split][doc_id]) or []
                turns = [(with_places(prompt, len(pictures)), "")]
                features_NTD = self.features(pictures) if pictures else None
                reply = self.write(turns, features_NTD, settings.get("max_new_tokens", MAX_NEW_TOKENS), {})
                until = settings.get("until", [])
                for end in [until] if isinstance(until, str) else until:
                    reply = reply.split(end)[0]
            except Exception as error:
                logger.error(f"{task}, {split}, record {doc_id}: {type(error).__name__}: {error}")
                failures.append(error)
                reply = ""
            replies.append(reply)
            self.cache_hook.add_partial("generate_until", (prompt, settings), [reply])
        refuse_all_failed(failures, requests)
        return replies

    @torch.inference_mode()
    def generate_until_multi_round(self, requests: list) -> list[str]:
        """Replies to every round of each record, as a JSON list."""
        replies, failures = [], []
        for request in tqdm(requests, desc="Replies, round by round"):
            _, settings, _, _, doc_id, task, split = request.args
            doc = self.task_dict[task][split][doc_id]
            asked = [turn["value"] for turn in doc["conversations"] if turn["from"] == "human"]
            said: list[str] = []
            try:
                self.answer_rounds(asked, doc["image"], settings.get("max_new_tokens", MAX_NEW_TOKENS_ROUND), said)
            except Exception as error:
                logger.error(f"{task}, {split}, record {doc_id}: {type(error).__name__}: {error}")
                failures.append(error)
            replies.append(json.dumps(said + [""] * (len(asked) - len(said))))
        refuse_all_failed(failures, requests)
        return replies

    def answer_rounds(self, asked: list[str], paths: list[str], longest: int, said: list[str]) -> None:
        """Replies to each round in turn, shown its own replies as what it said before; adds them to ``said``."""
        turns: list = []
        known: dict = {}
        features_NTD = None
        for prompt in asked:
            shown, paths = paths[: prompt.count(IMAGE_TOKEN)], paths[prompt.count(IMAGE_TOKEN) :]
            if shown:
                new_NTD = self.features([Image.open(path) for path in shown])
                features_NTD = new_NTD if features_NTD is None else torch.cat([features_NTD, new_NTD])
            said.append(self.write([*turns, (prompt, "")], features_NTD, longest, known).strip())
            turns.append((prompt, said[-1]))

    @torch.inference_mode()
    def loglikelihood(self, requests: list) -> list[tuple[float, bool]]:
        """Mean loss of each continuation and its ``<eos>``, nats, and whether it is the greedy one."""
        found = []
        for request in tqdm(requests, desc="Losses"):
            context, target, doc_to_visual, doc_id, task, split = request.args
            doc = self.task_dict[task][split][doc_id]
            pictures = doc_to_visual(doc) or []
            prompt = with_places(context[0] if isinstance(context, list) else context, len(pictures))
            answer = target if isinstance(target, str) else target(doc)
            features_NTD = self.features(pictures) if pictures else None
            context_ids, ids = (self.token_ids(conversation([(prompt, said)])) for said in ("", answer))
            if (length := len(self.embeddings(ids, features_NTD))) == self._context:
                raise ValueError(f"{task}, {split}, record {doc_id}: longer than the context of {length} tokens")
            wanted_L = torch.tensor(ids[len(context_ids) :], device=self.device)
            logits_LV = read_on(self._model, self.config, self.embeddings(ids, features_NTD), [])
            logits_LV = logits_LV[-len(wanted_L) - 1 : -1]
            greedy = bool((logits_LV.argmax(-1) == wanted_L).all())
            found.append((float(F.cross_entropy(logits_LV, wanted_L)), greedy))
        return found
