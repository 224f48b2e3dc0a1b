"""One name, one meaning: no two public classes share a name."""

import ast
from collections import defaultdict
from pathlib import Path

import babyvlm

SOURCE = Path(babyvlm.__file__).parent
SHARED = {"BabyVLM"}  # lmms-eval registers both under this name; the standalone one is a file of its own elsewhere


def test_no_two_public_classes_share_a_name():
    places = defaultdict(list)
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(SOURCE)))
    assert len(places) > 100
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert shared.keys() == SHARED, shared
