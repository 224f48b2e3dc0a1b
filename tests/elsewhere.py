"""A checkpoint's folder opened in a process that cannot import babyvlm, as somebody else would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_SCRIPT = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "babyvlm":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

folder, picture, question = sys.argv[1:]
model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32).eval()
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
inputs = processor(text=prompt, images=[Image.open(picture)], return_tensors="pt")
with torch.inference_mode():
    logits = model(**inputs).logits[0, -1]
    replies = [
        model.generate(**inputs, max_new_tokens=10, do_sample=False, use_cache=cached)[0, inputs["input_ids"].shape[1]:]
        for cached in (True, False)
    ]
    pictures = torch.stack(model.get_image_features(inputs["pixel_values"]).pooler_output)
print(json.dumps({
    "module": type(model).__module__, "ids": inputs["input_ids"][0].tolist(), "logits": logits.tolist(),
    "replies": [reply.tolist() for reply in replies], "picture_tokens": pictures.shape[1],
    "text": processor.decode(replies[0], skip_special_tokens=True).strip(),
    "whole": processor.decode(replies[0][replies[0] != model.generation_config.eos_token_id]).strip(),
}))
"""


def asked_elsewhere(folder: Path, picture: Path, question: str, cache: Path) -> dict[str, Any]:
    """What a checkpoint says of a picture, loaded with ``trust_remote_code`` from its folder alone.

    Args:
        folder: The checkpoint.
        picture: A picture file.
        question: Asked after the picture.
        cache: Where transformers may keep its copy of the folder's code.
    """
    asked = [sys.executable, "-I", "-c", _SCRIPT, str(folder), str(picture), question]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_"))}
    done = subprocess.run(
        asked, env=kept | {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1"}, cwd=cache, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
