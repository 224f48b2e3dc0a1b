"""The design of a study, fixed before its first participant: every setting of ``babyvlm study serve``.

The paper reports adults' accuracy without the design behind it, so that every default here is ours.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from babyvlm.errors import ConfigError
from babyvlm.toolbox.tasks import all_rows
from babyvlm.web import Site

Group = Literal["adult", "child"]
Gate = Literal["children", "everyone", "nobody"]
Speech = Literal["browser", "recorded", "silent"]


@dataclass(frozen=True, kw_only=True)
class ExclusionRules:
    """Rules that exclude participants from the pooled result, frozen before anybody takes part."""

    min_attention: float = 0.75
    """Least share of attention checks answered correctly, 0 to 1."""
    max_hasty: float = 0.2
    """Largest share of test answers faster than ``hasty_ms``, 0 to 1."""
    hasty_ms: float = 200.0
    """An answer sooner than this after answers open (when the question has been said) is hasty, milliseconds."""
    min_answered: float = 0.5
    """Least share of the planned test trials that must be answered, 0 to 1."""

    def __post_init__(self) -> None:
        for name in ("min_attention", "max_hasty", "min_answered"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ConfigError(f"--rules.{name.replace('_', '-')} lies between 0 and 1, and is {value}")
        if self.hasty_ms < 0:
            raise ConfigError(f"--rules.hasty-ms must not be negative, and is {self.hasty_ms}")


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """The design of a study."""

    title: str = "Pictures and words"
    """Title at the top of the page."""
    tasks: tuple[str, ...] = ()
    """Sub-tasks to give; all of the toolbox when empty. ``left_right.hard`` names a hard variant."""
    items_per_task: int = 8
    """Items of each sub-task for an adult."""
    child_items_per_task: int = 4
    """Items of each sub-task for a child."""
    memory_items: int = 1
    """Memory items for anybody; each has fifteen rounds."""
    practice_per_task: int = 1
    """Items of each sub-task, Memory aside, that come first, give feedback and do not count."""
    lists: int = 12
    """Counterbalanced lists: which items, and the order of the tasks. A participant gets the list least used at their
    site."""
    attention_every: int = 20
    """Test trials between two attention checks of an adult; 0 for none."""
    child_attention_every: int = 0
    """The same for a child; 0 for none, as a toddler may know neither the colour nor the shape."""
    break_every: int = 24
    """Trials after which a break is offered; 0 for none."""
    sites: tuple[str, ...] = ("main",)
    """Sites where people take part; lists are balanced within each site."""
    seed: int = 0
    """Seed of lists and orders."""
    gate: Gate = "children"
    """Participants whose sessions are opened and closed with a PIN, by a caregiver or experimenter."""
    speech: Speech = "browser"
    """Source of the spoken prompt: the browser's voice, recorded files, or none."""
    language: str = "en"
    """Language of the browser's voice, as a BCP 47 tag."""
    frame_ms: int = 600
    """Display time of each frame of a clip, milliseconds."""
    delay_ms: int = 2000
    """Delay with the curtain closed between a clip and the answer, milliseconds."""
    round_delay_ms: int = 800
    """Delay with the curtain closed between two rounds of Memory, milliseconds."""
    test_delay_ms: int = 5000
    """Delay with the curtain closed between learning and test of Memory, milliseconds."""
    gap_ms: int = 700
    """Empty screen after an answer, during which touches are ignored, milliseconds."""
    reading_ms: int = 300
    """Without a spoken question: reading time per word before answers open, milliseconds."""
    rules: ExclusionRules = field(default_factory=ExclusionRules)
    """Exclusion rules for adults."""
    child_rules: ExclusionRules = field(default_factory=ExclusionRules)
    """Exclusion rules for children."""

    def __post_init__(self) -> None:
        for name in ("items_per_task", "child_items_per_task", "memory_items", "lists"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name.replace('_', '-')} must be at least 1, and is {getattr(self, name)}")
        for name in (
            "practice_per_task", "attention_every", "child_attention_every", "break_every", "frame_ms", "delay_ms",
            "round_delay_ms", "test_delay_ms", "gap_ms", "reading_ms",
        ):  # fmt: skip
            if getattr(self, name) < 0:
                raise ConfigError(f"--{name.replace('_', '-')} must not be negative, and is {getattr(self, name)}")
        if self.tasks and (unknown := sorted(set(self.tasks) - set(all_rows()))):
            raise ConfigError(f"there is no task {unknown[0]!r}. The tasks are {', '.join(all_rows())}")
        if not self.sites or len(set(self.sites)) < len(self.sites) or not all(map(str.strip, self.sites)):
            raise ConfigError(f"--sites names each site once, and at least one: {self.sites!r}")

    def gated(self, group: Group) -> bool:
        """Whether sessions of this group open and close by PIN."""
        return self.gate == "everyone" or (self.gate == "children" and group == "child")

    def as_json(self) -> str:
        """The design as JSON, deterministic."""
        return json.dumps(asdict(self), sort_keys=True)

    def attention_checks_every(self, group: Group) -> int:
        """Test trials between two attention checks of somebody of this group; 0 for none."""
        return self.attention_every if group == "adult" else self.child_attention_every

    def rules_for(self, group: Group) -> ExclusionRules:
        """The exclusion rules of this group."""
        return self.rules if group == "adult" else self.child_rules

    def settings(self) -> dict[str, object]:
        """Every setting by the name of its option, those of the rules among them."""
        named: dict[str, object] = {}
        for name, value in vars(self).items():
            nested = vars(value) if isinstance(value, ExclusionRules) else None
            parts = {name: value} if nested is None else {f"{name}.{part}": one for part, one in nested.items()}
            named |= {f"--{option.replace('_', '-')}": one for option, one in parts.items()}
        return named

    def differences(self, given: StudyConfig) -> dict[str, object]:
        """What of this design a later start left out, its options being at their defaults.

        Raises:
            ConfigError: It gave an option another value.
        """
        now, frozen, usual = given.settings(), self.settings(), StudyConfig().settings()
        for name, value in now.items():
            if value not in (usual[name], frozen[name]):
                raise ConfigError(
                    f"the design of a study is frozen when it begins: {name} was {frozen[name]!r}, now {value!r}. "
                    "Leave the option out, or begin another study with another --db"
                )
        return {name: value for name, value in frozen.items() if value != now[name]}

    @classmethod
    def from_json(cls, text: str) -> StudyConfig:
        """The study that ``as_json`` wrote down, by this version or by one whose designs did not part the groups.

        Raises:
            ValueError: It is no such study.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            found.setdefault("child_attention_every", found["attention_every"])
            found.setdefault("child_rules", found["rules"])
            lists = {name: tuple(found[name]) for name in ("tasks", "sites")}
            rules = {name: ExclusionRules(**found[name]) for name in ("rules", "child_rules")}
            return cls(**{**found, **lists, **rules})
        except (KeyError, TypeError, AttributeError, RecursionError, ConfigError) as error:
            raise ValueError(f"no design of a study: {type(error).__name__} {error}") from error


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Where and to whom a study is served. No setting here changes what participants are shown."""

    host: str = "127.0.0.1"
    """Address to listen at; by default only this machine can connect, with ``0.0.0.0`` the network can."""
    port: int = 8330
    """Port to listen at; 0 for a free one."""
    public_url: str = ""
    """Public address of the server behind a proxy: ``https://study.example.org``."""
    certificate: Path | None = None
    """TLS certificate (PEM). Without one, passwords and answers cross the network in clear text."""
    key: Path | None = None
    """The certificate's private key (PEM)."""
    consent: Path | None = None
    """Text of the consent (UTF-8). A changed text is a new version, kept beside the old ones."""
    voice: Path | None = None
    """Folder of recorded prompts for ``--speech recorded``: ``touch-the-banana.mp3`` says "Touch the banana."."""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("--certificate and --key belong together")
        if not 0 <= self.port < 65536:
            raise ConfigError(f"--port lies between 0 and 65535, and is {self.port}")
        _ = self.site  # refuses an address under which the pages would not work

    @property
    def site(self) -> Site:
        """Where it is reached, and by which names."""
        return Site(host=self.host, public_url=self.public_url)

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by https."""
        return self.certificate is not None or self.public_url.startswith("https://")
