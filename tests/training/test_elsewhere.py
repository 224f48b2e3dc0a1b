"""Each stage's folder loads by itself, in a process without babyvlm, and computes there what it computes here.

What is expected is computed with our own classes and our own way from pictures and words to tensors.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from transformers import AutoModel, ViTConfig

from babyvlm.model.configuration import vision_config
from babyvlm.model.dual_encoder import load_dual_encoder
from babyvlm.model.loading import load_exactly, load_tokenizer, load_tower
from babyvlm.model.modeling import BabyLlavaForConditionalGeneration
from babyvlm.model.processing import ConversationEncoder, normalise, square_pixels
from babyvlm.model.stem import TowerWithStem, new_tower
from babyvlm.names import STAGES
from babyvlm.training import Trainer
from babyvlm.training.start import read_start
from tests.training.tiny import TINY, tiny_recipe

WORDS = "Look at the ball, number 3!"
_ELSEWHERE = """
import json, sys
sys.modules["babyvlm"] = None  # importing it fails, however it is installed
import torch
from PIL import Image
from transformers import (AutoImageProcessor, AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText,
                          AutoProcessor, AutoTokenizer)
run, picture, words, out = sys.argv[1:]
image = Image.open(picture)
options = {"trust_remote_code": True, "dtype": torch.float32}
found, drawn = {}, {}

def load(auto, stage, **more):
    model, loading = auto.from_pretrained(f"{run}/{stage}", output_loading_info=True, **options, **more)
    drawn[stage] = {what: sorted(keys) for what, keys in loading.items() if keys}
    return model.eval()

with torch.inference_mode():
    pixels = AutoImageProcessor.from_pretrained(f"{run}/vision")(image, return_tensors="pt")
    found["vision"] = load(AutoModel, "vision", add_pooling_layer=False)(**pixels).last_hidden_state

    encoder = load(AutoModel, "contrastive")
    pixels = AutoImageProcessor.from_pretrained(f"{run}/contrastive")(image, return_tensors="pt")["pixel_values"]
    found["contrastive tower"] = encoder.vision_tower(pixel_values=pixels).last_hidden_state
    found["contrastive picture"] = encoder.placed(encoder.features(pixels))

    reader = AutoTokenizer.from_pretrained(f"{run}/language", trust_remote_code=True)
    found["language"] = load(AutoModelForCausalLM, "language")(**reader(words, return_tensors="pt")).logits

    for stage in ("alignment", "joint", "instruction"):
        processor = AutoProcessor.from_pretrained(f"{run}/{stage}", trust_remote_code=True)
        content = [{"type": "image"}, {"type": "text", "text": " " + words}]
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = processor(text=prompt, images=[image], return_tensors="pt")
        found[stage] = load(AutoModelForImageTextToText, stage)(**inputs).logits

torch.save(found, out)
print(json.dumps(drawn))
"""


@pytest.fixture(scope="module", params=[(), (6, 6, 8)], ids=["patches", "stem"])
def run(request, data, tmp_path_factory):
    """A run of all stages, with and without a stem; pictures are stretched in one and padded in the other."""
    AcceleratorState._reset_state()
    fit = "stretch" if request.param else "pad"
    shape = replace(TINY, stem=request.param, stem_keeps_spread=bool(request.param), image_fit=fit)
    out = tmp_path_factory.mktemp("run") / "model"
    Trainer(replace(tiny_recipe(), model=shape), data, out).run(STAGES)
    return SimpleNamespace(folder=out, shape=shape)


@pytest.fixture
def image():
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8))


def python_without_us(script, *arguments, cache):
    """Runs a script in isolation, with folders' code kept in ``cache``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_"))}
    return subprocess.run(
        [sys.executable, "-I", "-c", script, *map(str, arguments)],
        env=kept | {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1"}, cwd=cache, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@torch.inference_mode()
def computed_here(run, image):
    """By our own classes."""
    folder, shape = run.folder, run.shape
    pixels_1CHW = normalise(torch.tensor(square_pixels(image, shape.image_size, shape.image_fit))[None])
    expected = {"vision": load_tower(folder / "vision").eval()(pixel_values=pixels_1CHW).last_hidden_state}
    encoder = load_dual_encoder(folder / "contrastive")[0].eval()
    expected["contrastive tower"] = encoder.vision_tower(pixel_values=pixels_1CHW).last_hidden_state
    expected["contrastive picture"] = encoder.placed(encoder.features(pixels_1CHW))
    reader = ConversationEncoder(
        load_tokenizer(folder / "tokenizer"), image_token_id=shape.vocabulary, image_tokens=shape.image_tokens
    )
    for stage in ("language", "alignment", "joint", "instruction"):
        model = load_exactly(BabyLlavaForConditionalGeneration, folder / stage).eval()
        ids = [2, *reader.text(WORDS)] if stage == "language" else reader.user(f"<image> {WORDS}", first=True)
        shown = {} if stage == "language" else {"pixel_values": pixels_1CHW}
        expected[stage] = model(input_ids=torch.tensor([ids]), **shown).logits
    return expected


def test_every_stage_computes_elsewhere_what_it_computes_here(run, image, tmp_path):
    image.save(tmp_path / "picture.png")
    done = python_without_us(
        _ELSEWHERE, run.folder, tmp_path / "picture.png", WORDS, tmp_path / "found.pt", cache=tmp_path
    )
    assert done.returncode == 0, done.stderr
    drawn = json.loads(done.stdout.splitlines()[-1])
    assert drawn == {stage: {} for stage in STAGES}, "every weight is the checkpoint's"
    found, expected = torch.load(tmp_path / "found.pt", weights_only=True), computed_here(run, image)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-5, rtol=0, msg=name)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_loads_as_its_card_says(run, image, stage, tmp_path):
    """The last block of Python of the card, which needs no babyvlm, runs as it stands."""
    image.save(tmp_path / "picture.jpg")
    card = (run.folder / stage / "README.md").read_text()
    code = re.findall(r"```python\n(.*?)```", card, re.DOTALL)[-1].replace("FOLDER", str(run.folder / stage))
    assert "babyvlm." not in code
    done = python_without_us(f"import sys; sys.modules['babyvlm'] = None\n{code}", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "newly initialized" not in done.stderr + done.stdout


def test_without_its_code_a_stem_is_refused_and_never_drawn(run, tmp_path):
    script = "import sys; sys.modules['babyvlm'] = None; from transformers import AutoModel; "
    script += "AutoModel.from_pretrained(sys.argv[1], add_pooling_layer=False, trust_remote_code=False)"
    done = python_without_us(script, run.folder / "vision", cache=tmp_path)
    assert (done.returncode != 0) == bool(run.shape.stem)
    assert not run.shape.stem or "trust_remote_code" in done.stderr


def test_towers_saved_before_they_had_a_type_of_their_own_still_load(run, tmp_path):
    """As until 2026-11: a ``vit`` with a stem, whose folder holds weights, configuration and manifest alone."""
    for name in ("model.safetensors", "manifest.json"):
        (tmp_path / name).write_bytes((run.folder / "vision" / name).read_bytes())
    vision_config(run.shape).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == ViTConfig.model_type
    pixels_1CHW = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        old, new = (load_tower(folder).eval() for folder in (tmp_path, run.folder / "vision"))
        assert torch.equal(old(pixels_1CHW).last_hidden_state, new(pixels_1CHW).last_hidden_state)
    assert read_start(tmp_path, replace(tiny_recipe(), model=run.shape)).stage == "vision"


def test_here_the_auto_class_knows_a_tower_without_trusting_anybody(tmp_path):
    tower = new_tower(vision_config(replace(TINY, stem=(6, 8)))).eval()
    tower.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path).eval()
    assert type(loaded) is TowerWithStem
    pixels_1CHW = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded(pixels_1CHW).last_hidden_state, tower(pixels_1CHW).last_hidden_state)
