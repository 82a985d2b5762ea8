"""What a training run is, read from one TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_type_hints

from anyview_ros.contract import Contract, LatentShape, Sampling
from anyview_ros.errors import AnyviewError
from anyview_ros.model.one_way.config import SPACE_FACTOR, TIME_FACTOR, NetworkConfig
from anyview_ros.nearest import nearest
from anyview_ros.training.files import OURS, FileConfig, Resizing
from anyview_ros.training.scenes import SceneConfig
from anyview_ros.training.student import StudentConfig
from anyview_ros.typed_json import WrongKindError, read_typed

Section = TypeVar("Section")
WHOLE_CONFIGS = "docs/tutorials/fine-tune.md shows a whole config, config/training/ has more"
MONOCULAR = "/2d"  # after the name of a scene set: pairs made of one view by turning and zooming


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The loop. Defaults are those of the model that ships.

    Args:
        seed: of weights, order and noise.
        steps: until the learning rate is nothing.
        scenes_per_step: clips of that many scenes.
        targets_per_scene: target clips that share the sources' keys and values.
        more_sources: chances of a second and of a third source clip; all scenes of a step alike.
        known: share of targets whose first frames are given.
        short: share of steps with clips of 5 frames, which cost less.
        first_pool, pool_steps: step 0 draws from the first scenes of a set, step `pool_steps` from
            all, so a run can start before all are rendered and its order is still fixed.
        learning_rate: of both optimizers; Muon's updates are scaled to AdamW's size.
        warmup_steps: over which it rises.
        cooldown: share of the steps, the last ones, over which it falls to nothing.
        ema: share of the old weights that the running average keeps a step.
        pure_noise: share of samples at the highest noise level, where sampling starts.
        codec_scenes: scenes of each set that the codec is fitted to.
        camera_effects: share of scenes whose sources come from real cameras, so to say; see
            `augmentation.simulate_cameras`.
    """

    seed: int = 0
    steps: int
    scenes_per_step: int = 8
    targets_per_scene: int = 4
    more_sources: tuple[float, ...] = (0.4, 0.25)
    known: float = 0.2
    short: float = 0.6
    first_pool: int
    pool_steps: int
    learning_rate: float
    warmup_steps: int = 50
    cooldown: float = 0.4
    ema: float = 0.99
    pure_noise: float = 0.7
    codec_scenes: int = 16
    camera_effects: float = 0.0

    def __post_init__(self) -> None:
        for name in ("steps", "scenes_per_step", "targets_per_scene", "first_pool"):
            if (value := getattr(self, name)) < 1:
                raise AnyviewError("invalid_config", f"[training] {name} must be >= 1, got {value}")

    def pool(self, step: int, count: int) -> int:
        """Return how many of `count` scenes a step draws from."""
        share = min(1.0, step / self.pool_steps) if self.pool_steps else 1.0
        more = (count - self.first_pool) * share
        return min(count, self.first_pool + int(more))

    def rate(self, step: int) -> float:
        """Return the learning rate: a short rise, a plateau, a straight fall to 0."""
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        fall = min(1.0, (self.steps - step) / max(1.0, self.cooldown * self.steps))
        return self.learning_rate * rise * max(0.0, fall)


@dataclass(frozen=True)
class Stage:
    """A part of a run with one mixture of supervision.

    Args:
        until: the step at which the next stage begins.
        mixture: shares by the name of a scene set, for its views as they are, or by
            `<name>/2d`, for pairs made of one of its views.
    """

    until: int
    mixture: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """What a run of any family learns from, and how long.

    Args:
        name: of the package.
        scenes: sets of scenes by name, rendered or from files.
        stages: in order; the last one continues to the end.
        training: see there.
        text: the file it was read from; checkpoints and packages hold it.
    """

    # What may change in the middle of a run, or is compared otherwise.
    FREE: ClassVar[frozenset[str]] = frozenset({"text", "name", "stages", "training"})
    RESIZING: ClassVar[Resizing] = OURS  # of images from files

    name: str
    scenes: Mapping[str, SceneConfig | FileConfig]
    stages: tuple[Stage, ...]
    training: TrainingConfig
    text: str

    @property
    def one_example_a_scene(self) -> bool:
        """Return whether a scene is always cut into the same example, which takes long to make."""
        return False

    def stage(self, step: int) -> Stage:
        return next((s for s in self.stages if step < s.until), self.stages[-1])

    def changes(self, other: Run) -> list[str]:
        """Return names of what differs, but for what may change in the middle of a run: the length
        and the fall of the learning rate, the last stages, the package's name and the like."""
        fixed = {f.name for f in fields(self)} - self.FREE
        changed = [name for name in fixed if getattr(self, name) != getattr(other, name)]
        mine = self.training
        if replace(other.training, steps=mine.steps, cooldown=mine.cooldown) != mine:
            changed.append("training")
        return sorted(changed)

    def require_same(self, text: str, parse: Callable[[str], Run]) -> None:
        """Raise `other_config` where a checkpoint's config is of another run."""
        if text != self.text and (changed := self.changes(parse(text))):
            raise AnyviewError(
                "other_config",
                f"the checkpoint is of a run with another {', '.join(changed)}; train with its own "
                "config, or start anew in another folder",
            )


@dataclass(frozen=True)
class RunConfig(Run):
    """All of a run of the one-way family.

    Args:
        licence: of the package, an SPDX identifier.
        scene_scale: multiplies Plücker moments, 1 / metres, if a request gives none.
        plane_sweep: inverse depths of the planes over scene_scale; empty: rays only.
        network: see there; it gets its planes from `plane_sweep`.
        speeds: falling noise levels by speed, for the package.
        temperature: of speeds of several steps, see `contract.Sampling`.
        choice: of detail among the candidates of the plane sweep, in use; see `one_way.sweep`.
        max_sources: in use; 0 = as many as it is trained with. Cameras of now and keyframes share
            them.
        composite: package, by name or path, whose surface network finds what targets show of their
            sources: one more candidate of the plane sweep; empty: none.
        student: None, but for what `anyview distill` makes of a run; see `student_of`.
    """

    FREE = Run.FREE | {"licence", "speeds", "temperature", "choice", "max_sources"}

    licence: str
    scene_scale: float
    plane_sweep: tuple[float, ...]
    network: NetworkConfig
    speeds: Mapping[str, tuple[float, ...]]
    temperature: float = 1.0
    choice: float = 1.0
    max_sources: int = 0
    student: StudentConfig | None = None
    composite: str = ""

    @property
    def one_example_a_scene(self) -> bool:
        return bool(self.composite)

    def contract(self) -> Contract:
        """Return the contract of the package that this run makes; its files and scores are still
        empty."""
        first = next(iter(self.scenes.values()))
        return Contract(
            name=self.name,
            family="one_way",
            anchor="source",
            ray_code="unshuffle",
            resampler=self.RESIZING.resampler,
            pixel_rule=self.RESIZING.pixel_rule,
            prediction="x0",
            solver="euler",
            sigmas=self.speeds,
            frames=(first.frames,),
            frame_period=first.frame_period,
            sizes=tuple(dict.fromkeys(scenes.size for scenes in self.scenes.values())),
            latent=LatentShape(self.network.channels, TIME_FACTOR, SPACE_FACTOR, SPACE_FACTOR),
            max_sources=self.max_sources or 1 + len(self.training.more_sources),
            known_frames=self.training.known > 0,
            scene_scale=self.scene_scale,
            precision="fp32",
            licence=self.licence,
            files={},
            plane_sweep=self.plane_sweep,
            sweep_weights=len(self.plane_sweep) > 1,
            composite=bool(self.composite),
            sampling={
                speed: Sampling(temperature=self.temperature)
                for speed, levels in self.speeds.items()
                if len(levels) > 2 and self.temperature != 1
            },
        )


@dataclass(frozen=True)
class RunFile:
    """The keys of the file of a `RunConfig`; sections are read on their own, by `read_section`."""

    name: str
    licence: str
    scene_scale: float
    plane_sweep: tuple[float, ...]
    network: Mapping[str, Any]
    scenes: Mapping[str, Mapping[str, Any]]
    stages: tuple[Mapping[str, Any], ...]
    training: Mapping[str, Any]
    speeds: Mapping[str, tuple[float, ...]]
    temperature: float = 1.0
    choice: float = 1.0
    max_sources: int = 0
    composite: str = ""
    student: Mapping[str, Any] | None = None


def read_config(path: Path) -> RunConfig:
    """Read a run's TOML file.

    Raises:
        AnyviewError: `invalid_config` when it is missing, is no TOML, or a field is wrong.
    """
    try:
        return parse_config(path.read_text())
    except OSError as error:
        raise AnyviewError("invalid_config", f"cannot read {path}: {error.strerror}") from None


def parse_config(text: str) -> RunConfig:
    """Return a run's config from the text of its TOML file; errors as `read_config`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AnyviewError("invalid_config", f"training config is no TOML: {error}") from None
    if wrong := "; ".join(_wrong_sections(raw)):
        raise AnyviewError("invalid_config", f"{wrong}; {WHOLE_CONFIGS}")
    file = read_section(RunFile, raw, "")
    if file.composite and not file.plane_sweep:
        raise AnyviewError("invalid_config", "training config: composite needs a plane_sweep")
    planes = 1 + len(file.plane_sweep) + bool(file.composite) if file.plane_sweep else 0
    run = RunConfig(
        name=file.name,
        licence=file.licence,
        scene_scale=file.scene_scale,
        plane_sweep=file.plane_sweep,
        network=read_section(NetworkConfig, {**file.network, "planes": planes}, "network"),
        scenes={name: read_scenes(values, name) for name, values in file.scenes.items()},
        stages=tuple(read_section(Stage, values, "stages") for values in file.stages),
        training=read_section(TrainingConfig, file.training, "training"),
        speeds=file.speeds,
        text=text,
        temperature=file.temperature,
        choice=file.choice,
        max_sources=file.max_sources,
        composite=file.composite,
    )
    _check(run)
    if file.student is None:
        return run
    return student_of(run, read_section(StudentConfig, file.student, "student"))


def student_of(run: RunConfig, student: StudentConfig) -> RunConfig:
    """Return the run of a student, which begins where its teacher's ended: the last mixture, all
    scenes, new draws."""
    teacher = run.training
    training = replace(
        teacher,
        seed=teacher.seed + student.teacher_step,
        steps=student.steps,
        scenes_per_step=student.scenes_per_step,
        learning_rate=student.learning_rate,
        warmup_steps=min(teacher.warmup_steps, student.steps),
        pool_steps=1,
    )
    return replace(
        run,
        name=student.package_name(run.name, run.speeds["exact"]),
        stages=run.stages[-1:],
        training=training,
        speeds=student.speeds,
        student=student,
    )


def read_scenes(values: Mapping[str, Any], name: str) -> SceneConfig | FileConfig:
    """Read a set of scenes; one with a `root` is from files."""
    place = f"scenes.{name}"
    if "root" in values:
        return read_section(FileConfig, values, place)
    return read_section(SceneConfig, values, place)


def read_section(section: type[Section], values: Mapping[str, Any], name: str) -> Section:
    """Read a dataclass from the values of a section of TOML.

    Args:
        name: of the section; empty = the whole file.

    Raises:
        AnyviewError: `invalid_config` when a key is missing or unknown, with the one that is
            nearest, or a value is not of its kind.
    """
    place = _place(name)
    if wrong := _wrong_keys(values.keys(), *_keys(section)):
        raise AnyviewError("invalid_config", f"{place}: {wrong}")
    kinds = get_type_hints(section)
    try:
        return section(**{k: read_typed(kinds[k], v, k) for k, v in values.items()})
    except WrongKindError as error:
        raise AnyviewError("invalid_config", f"{place}: {error}") from None


def _wrong_sections(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the keys of each section of a run's file, so that all is told at
    once; values are looked at later."""

    def tables(name: str) -> list[Mapping[str, Any]]:
        found = raw.get(name)
        several = found if isinstance(found, list) else [found]
        return [table for table in several if isinstance(table, Mapping)]

    sections: list[tuple[type[Any], str, Mapping[str, Any]]] = [
        (RunFile, "", raw),
        *((NetworkConfig, "network", {"planes": 0, **table}) for table in tables("network")),
        *((Stage, "stages", table) for table in tables("stages")),
        *((TrainingConfig, "training", table) for table in tables("training")),
        *((StudentConfig, "student", table) for table in tables("student")),
    ]
    for table in tables("scenes"):
        for name, values in table.items():
            if isinstance(values, Mapping):
                kind = FileConfig if "root" in values else SceneConfig
                sections.append((kind, f"scenes.{name}", values))
    for section, name, values in sections:
        if wrong := _wrong_keys(values.keys(), *_keys(section)):
            yield f"{_place(name)}: {wrong}"


def _keys(section: type[Any]) -> tuple[Set[str], Set[str]]:
    """Return all keys of a section, and those that it must have."""
    known = {f.name: f for f in fields(section)}
    return known.keys(), {n for n, f in known.items() if f.default is MISSING}


def _place(section: str) -> str:
    return f"[{section}]" if section else "training config"


def _wrong_keys(given: Set[str], known: Set[str], needed: Set[str]) -> str:
    """Return what is wrong with the keys of a section, in words; empty for nothing."""
    missing = sorted(needed - given)
    parts = [f"missing {', '.join(missing)}"] if missing else []
    for key in sorted(given - known):
        meant = nearest(key, known - given)
        parts.append(f"unknown '{key}'" + (f" (did you mean '{meant}'?)" if meant else ""))
    return "; ".join(parts)


def _check(run: RunConfig) -> None:
    """Require one clip length for all scenes, with frames to go on to, and mixtures of scenes that
    there are."""
    lengths = {(scenes.frames, scenes.frame_period) for scenes in run.scenes.values()}
    if len(lengths) != 1:
        raise AnyviewError(
            "invalid_config", f"[scenes]: one number of frames and one period, got {lengths}"
        )
    if wrong := [name for name, scenes in run.scenes.items() if scenes.frames <= TIME_FACTOR]:
        raise AnyviewError(
            "invalid_config",
            f"[scenes.{wrong[0]}]: clips of at least {1 + TIME_FACTOR} frames, got "
            f"{run.scenes[wrong[0]].frames}",
        )
    named = {name.removesuffix(MONOCULAR) for stage in run.stages for name in stage.mixture}
    if unknown := named - run.scenes.keys() or not named:
        raise AnyviewError(
            "invalid_config",
            f"[[stages]]: mixtures of {', '.join(run.scenes)}, got {unknown or 'none'}",
        )
