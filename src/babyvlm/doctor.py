"""What this machine can and cannot do."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

from babyvlm.folders import package_versions
from babyvlm.installation import install_command
from babyvlm.registry import GROUPS, Registry, faults, installed_extensions


def examine() -> str:
    """A list of what was found, one line each, with the remedy where something is missing."""
    import torch

    lines = [f"{name} {version}" for name, version in package_versions().items()]
    lines.append(f"cores: {os.cpu_count()}")
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines.append(
        f"memory: {memory_gib:.1f} GiB ({'enough' if memory_gib >= 6 else 'too little'} for the nursery recipe: 6 GiB)"
    )
    lines.append(f"free disk here: {shutil.disk_usage(Path.cwd()).free / 2**30:.0f} GiB")
    if torch.cuda.is_available():
        for device in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(device)
            lines.append(f"GPU {device}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    else:
        lines.append("no GPU: the nursery recipe runs; the saycam recipe would take months")
    skia = importlib.util.find_spec("skia") is not None
    lines.append("rendering the nursery: " + ("yes" if skia else f"no; {install_command('render')}"))
    voices = [name for name in ("flite", "espeak-ng") if shutil.which(name)]
    lines.append(
        f"voices of the nursery: {', '.join(voices) or 'none (silent sound track); install flite or espeak-ng'}"
    )
    broken = importlib.util.find_spec("torchvision") is not None
    lines.append(
        "torchvision: found; not needed, and a build for another torch breaks image processing"
        if broken
        else "torchvision: absent, as it should be"
    )
    return "\n".join([*lines, *_extensions()])


def registries() -> tuple[Registry[Any], ...]:
    """Every registry that other packages may add to."""
    from babyvlm.corpus import layouts
    from babyvlm.corpus.transcripts import kinds
    from babyvlm.evaluation import choose
    from babyvlm.toolbox import batteries, tasks
    from babyvlm.training import objectives

    found: tuple[Registry[Any], ...] = (
        tasks.REGISTRY, choose.RESPONDENTS, choose.BASELINE_KINDS, kinds.REGISTRY, layouts.REGISTRY,
        objectives.REGISTRY, batteries.REGISTRY,
    )  # fmt: skip
    assert [registry.group for registry in found] == list(GROUPS)
    return found


def _extensions() -> list[str]:
    """What other packages add, with what is wrong with it."""
    wrong = faults(registries())
    lines = []
    for one in installed_extensions():
        fault = f"; cannot be used: {wrong[one]}" if one in wrong else ""
        lines.append(f"extension: {GROUPS[one.group]} {one.name}, of {one.release}{fault}")
    return lines or ["extensions of other packages: none"]
