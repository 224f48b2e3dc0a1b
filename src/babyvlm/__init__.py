"""BabyVLM-V2: from infants' head-camera recordings to a model trained from scratch and a developmental benchmark.

data = babyvlm.curate("my-recordings", "my-set")
babyvlm.train("nursery", "my-set", "my-model")
toolbox = babyvlm.build_toolbox("my-recordings", "my-toolbox", training="my-set")
babyvlm.evaluate("my-model/instruction", "my-toolbox", "my-run")
babyvlm.report(["my-run"], "report.html")

model = babyvlm.load("my-model/instruction")
said = model.ask("How many cups do you see?", images=["kitchen.jpg"], options=["1", "2", "3"])
print(said.reply, said.options)

Each function is a command of the same name or nearly so, makes the same files, and is imported when it is first named.
"""

from __future__ import annotations

import importlib

from babyvlm.auto_classes import register_when_needed

TYPE_CHECKING = False  # what type checkers take for True; importing typing takes longer than all else here
if TYPE_CHECKING:
    from typing import Any

    from babyvlm.audits import AuditConfig as AuditConfig
    from babyvlm.chain.children import compare_with_children as compare_with_children
    from babyvlm.chain.curve import curve as curve
    from babyvlm.chain.data import curate as curate
    from babyvlm.chain.data import export_set as export_set
    from babyvlm.chain.data import index_corpus as index_corpus
    from babyvlm.chain.data import make_corpus as make_corpus
    from babyvlm.chain.data import select as select
    from babyvlm.chain.data import transcribe as transcribe
    from babyvlm.chain.data import write_card as write_card
    from babyvlm.chain.items import audit as audit
    from babyvlm.chain.items import build_toolbox as build_toolbox
    from babyvlm.chain.items import detect_boxes as detect_boxes
    from babyvlm.chain.items import export_toolbox as export_toolbox
    from babyvlm.chain.items import import_toolbox as import_toolbox
    from babyvlm.chain.items import make_contrasts as make_contrasts
    from babyvlm.chain.items import write_lmms_tasks as write_lmms_tasks
    from babyvlm.chain.model import convert as convert
    from babyvlm.chain.model import load as load
    from babyvlm.chain.model import train as train
    from babyvlm.chain.probes import probe_language as probe_language
    from babyvlm.chain.probes import probe_vision as probe_vision
    from babyvlm.chain.probes import write_predictions as write_predictions
    from babyvlm.chain.results import Evaluation as Evaluation
    from babyvlm.chain.results import compare as compare
    from babyvlm.chain.results import compare_seeds as compare_seeds
    from babyvlm.chain.results import evaluate as evaluate
    from babyvlm.chain.results import merge as merge
    from babyvlm.chain.results import power as power
    from babyvlm.chain.results import score as score
    from babyvlm.chain.sharing import Submission as Submission
    from babyvlm.chain.sharing import challenge as challenge
    from babyvlm.chain.sharing import export_study as export_study
    from babyvlm.chain.sharing import push as push
    from babyvlm.chain.sharing import report as report
    from babyvlm.chain.sharing import submit as submit
    from babyvlm.children import ChildrenConfig as ChildrenConfig
    from babyvlm.corpus.nursery import NurseryConfig as NurseryConfig
    from babyvlm.corpus.recognition import RecognitionConfig as RecognitionConfig
    from babyvlm.curation.configuration import ClipModels as ClipModels
    from babyvlm.curation.configuration import CurationConfig as CurationConfig
    from babyvlm.curation.configuration import EncoderConfig as EncoderConfig
    from babyvlm.curation.configuration import OwnEncoderConfig as OwnEncoderConfig
    from babyvlm.curation.recording_choice import RecordingChoice as RecordingChoice
    from babyvlm.curation.reselect import SelectionChanges as SelectionChanges
    from babyvlm.evaluation import AskConfig as AskConfig
    from babyvlm.leaderboard import ChallengeConfig as ChallengeConfig
    from babyvlm.leaderboard import SubmissionConfig as SubmissionConfig
    from babyvlm.probing import ProbeConfig as ProbeConfig
    from babyvlm.probing import SentenceProbeConfig as SentenceProbeConfig
    from babyvlm.toolbox import InstructionConfig as InstructionConfig
    from babyvlm.toolbox import ToolboxConfig as ToolboxConfig
    from babyvlm.toolbox.contrasts import ContrastConfig as ContrastConfig
    from babyvlm.toolbox.detection import DetectionConfig as DetectionConfig
    from babyvlm.toolbox.published import ImportConfig as ImportConfig

__version__ = "0.1.0"

_PLACES = {
    "babyvlm.audits": ("AuditConfig",),
    "babyvlm.chain.children": ("compare_with_children",),
    "babyvlm.chain.curve": ("curve",),
    "babyvlm.chain.data": (
        "curate",
        "export_set",
        "index_corpus",
        "make_corpus",
        "select",
        "transcribe",
        "write_card",
    ),
    "babyvlm.chain.items": (
        "audit",
        "build_toolbox",
        "detect_boxes",
        "export_toolbox",
        "import_toolbox",
        "make_contrasts",
        "write_lmms_tasks",
    ),
    "babyvlm.chain.model": ("convert", "load", "train"),
    "babyvlm.chain.probes": ("probe_language", "probe_vision", "write_predictions"),
    "babyvlm.chain.results": ("Evaluation", "compare", "compare_seeds", "evaluate", "merge", "power", "score"),
    "babyvlm.chain.sharing": ("Submission", "challenge", "export_study", "push", "report", "submit"),
    "babyvlm.children": ("ChildrenConfig",),
    "babyvlm.corpus.nursery": ("NurseryConfig",),
    "babyvlm.corpus.recognition": ("RecognitionConfig",),
    "babyvlm.curation.configuration": ("ClipModels", "CurationConfig", "EncoderConfig", "OwnEncoderConfig"),
    "babyvlm.curation.recording_choice": ("RecordingChoice",),
    "babyvlm.curation.reselect": ("SelectionChanges",),
    "babyvlm.evaluation": ("AskConfig",),
    "babyvlm.leaderboard": ("ChallengeConfig", "SubmissionConfig"),
    "babyvlm.probing": ("ProbeConfig", "SentenceProbeConfig"),
    "babyvlm.toolbox": ("InstructionConfig", "ToolboxConfig"),
    "babyvlm.toolbox.contrasts": ("ContrastConfig",),
    "babyvlm.toolbox.detection": ("DetectionConfig",),
    "babyvlm.toolbox.published": ("ImportConfig",),
}
"""Where each public name is; the same as above, for the interpreter."""
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [  # written out, so that editors and type checkers read it
    "AskConfig",
    "AuditConfig",
    "ChallengeConfig",
    "ChildrenConfig",
    "ClipModels",
    "ContrastConfig",
    "CurationConfig",
    "DetectionConfig",
    "EncoderConfig",
    "Evaluation",
    "ImportConfig",
    "InstructionConfig",
    "NurseryConfig",
    "OwnEncoderConfig",
    "ProbeConfig",
    "RecognitionConfig",
    "RecordingChoice",
    "SelectionChanges",
    "SentenceProbeConfig",
    "Submission",
    "SubmissionConfig",
    "ToolboxConfig",
    "__version__",
    "audit",
    "build_toolbox",
    "challenge",
    "compare",
    "compare_seeds",
    "compare_with_children",
    "convert",
    "curate",
    "curve",
    "detect_boxes",
    "evaluate",
    "export_set",
    "export_study",
    "export_toolbox",
    "import_toolbox",
    "index_corpus",
    "load",
    "make_contrasts",
    "make_corpus",
    "merge",
    "power",
    "probe_language",
    "probe_vision",
    "push",
    "report",
    "score",
    "select",
    "submit",
    "train",
    "transcribe",
    "write_card",
    "write_lmms_tasks",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'babyvlm' has no attribute {name!r}")
    globals()[name] = value = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_when_needed()
