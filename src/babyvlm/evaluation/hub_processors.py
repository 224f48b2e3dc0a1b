"""The processor of a model of transformers: pictures and words into tensors, on PIL alone.

Many processors hold a part for videos that needs torchvision, which this package does without; it is left out then, for
only pictures are ever shown.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from transformers import AutoConfig, AutoProcessor, ProcessorMixin
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING


def load_processor(name: str) -> Any:
    """A model's own processor.

    Args:
        name: Id on the hub, or a folder.

    Raises:
        ImportError: It needs a package that is not installed, other than for videos.
        OSError: There is none.
    """
    try:
        return AutoProcessor.from_pretrained(name, backend="pil")
    except (ImportError, ValueError, OSError):
        kind: Any = PROCESSOR_MAPPING.get(type(AutoConfig.from_pretrained(name)), None)
        if kind is None or "video_processor" not in kind.get_attributes():
            raise
        return _without_video(kind).from_pretrained(name, backend="pil")


@cache
def _without_video(kind: type[ProcessorMixin]) -> type[ProcessorMixin]:
    """That processor without its part for videos."""

    class WithoutVideo(kind):  # type: ignore[valid-type, misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return [part for part in kind.get_attributes() if part != "video_processor"]

        @classmethod
        def _get_arguments_from_pretrained(cls, *given: Any, **named: Any) -> list[Any]:
            parts = super()._get_arguments_from_pretrained(*given, **named)
            parts.insert(kind.get_attributes().index("video_processor"), None)
            return parts

    return WithoutVideo
