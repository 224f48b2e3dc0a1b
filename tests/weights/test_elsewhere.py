"""A checkpoint's folder alone says elsewhere what it says here; and transformers knows it once babyvlm is imported."""

import ast
import subprocess
import sys

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

import babyvlm
from babyvlm.weights.convert import convert
from tests.elsewhere import asked_elsewhere
from tests.weights.published_weights import (
    SMALL,
    published_tokenizer,
    torchvision_tower,
    whole_model,
    write_whole_model,
)

QUESTION = " How many cups of milk do you see?"


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    write_whole_model(folder / "published", whole_model(torchvision_tower()), published_tokenizer())
    convert(str(folder / "published"), folder / "ours")
    return folder / "ours"


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "stripes.png"
    image = Image.new("RGB", (SMALL.side * 2, SMALL.side), "navy")
    image.paste("gold", (10, 5, 40, 30))
    image.save(path)
    return path


def test_the_folder_alone_says_what_it_says_here(converted, picture, tmp_path):
    said = asked_elsewhere(converted, picture, QUESTION, tmp_path)
    assert said["module"].startswith("transformers_modules.")
    assert said["replies"][0] == said["replies"][1], "the cache changes nothing"
    model = babyvlm.load(converted, max_new_tokens=11)
    reply = model.ask(f"<image>{QUESTION}", images=[picture]).reply
    assert reply == said["text"]
    assert said["ids"].count(SMALL.vocabulary) == said["picture_tokens"] == (SMALL.side // SMALL.patch) ** 2 + 1
    here = AutoModelForImageTextToText.from_pretrained(converted).eval()
    assert type(here).__module__ == "babyvlm.model.modeling"
    processor = AutoProcessor.from_pretrained(converted)
    pixels = processor.image_processor(Image.open(picture), return_tensors="pt")["pixel_values"]
    logits = here(input_ids=torch.tensor([said["ids"]]), pixel_values=pixels).logits[0, -1]
    torch.testing.assert_close(logits, torch.tensor(said["logits"]), atol=1e-5, rtol=0)


def test_the_code_beside_the_weights_needs_torch_and_transformers_alone(converted):
    files = sorted(path.name for path in converted.glob("*.py"))
    assert files == ["llava_config.py", "modeling.py", "packed_attention.py", "stem.py"]
    for name in files:
        for node in ast.walk(ast.parse((converted / name).read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            outside = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names)
            assert outside <= {"torch", "transformers"}, name


@pytest.mark.parametrize(
    "imports",
    [
        "import babyvlm; from transformers import AutoModelForImageTextToText as Auto",
        "from transformers import AutoModelForImageTextToText as Auto; import babyvlm",
        "import babyvlm; from transformers import AutoTokenizer, LlavaConfig, AutoModelForImageTextToText as Auto",
    ],
)
def test_transformers_knows_it_once_babyvlm_is_imported(imports, converted):
    code = f"{imports}; assert type(Auto.from_pretrained({str(converted)!r})).__module__ == 'babyvlm.model.modeling'"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
