"""The first half of an augmentation: read, cut, make, keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from anyview_ros.augment.answers import (
    AnswerMessages,
    AnswerTypes,
    Maker,
)
from anyview_ros.augment.cutting import Cut, Engine, Sources, Target
from anyview_ros.augment.plan import Plan
from anyview_ros.augment.reading import PosedFrame, Reading
from anyview_ros.augment.settings import Model, Progress, Report, Settings
from anyview_ros.augment.spool import Spool
from anyview_ros.clips.intake.intake_config import (
    BUFFER_S,
    IntakeConfig,
    memory_limits,
)
from anyview_ros.engine.onnx.runtime import PROVIDERS
from anyview_ros.errors import AnyviewError

NS = 1_000_000_000


class Making:
    """Makes every clip of every virtual camera, and keeps its answers.

    Args:
        plan: see `Plan`.
        settings: see `Settings`.
        model: makes frames.
        engine: that of the model, loaded.
        spools: take the answers, by camera.
    """

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        model: Model,
        engine: Engine,
        spools: Mapping[str, Spool],
    ) -> None:
        self.plan, self.settings, self.model = plan, settings, model
        contract, ahead = model.package.contract, settings.memory == "both"
        self.types = AnswerTypes()
        config = IntakeConfig.of(contract, settings.source_size)
        config = replace(config, memory=memory_limits(settings, contract))
        buffer_s = BUFFER_S + (settings.memory_s if ahead else 0.0)
        self._reading = Reading(
            plan.bag, plan.cameras, plan.options, config, plan.tf_topics, buffer_s
        )
        cut = Cut(
            contract,
            config,
            settings.sampling,
            plan.options.fixed_frame,
            buffer_s,
            int(settings.memory_s * NS) if ahead else 0,
        )
        self.scene_scale = cut.scene_scale
        self._sources = Sources(cut, self._reading.intakes())
        provider = PROVIDERS[model.provider]
        maker = Maker(contract.name, model.package.sha256, provider, settings.sampling.seed)
        self.messages = {
            request.name: AnswerMessages(
                self.types,
                request,
                settings.images,
                plan.tf_topic(static=False),
                plan.options.fixed_frame,
                maker,
                queue_frames=2 * max(contract.frames),
            )
            for request in plan.requests
        }
        self.targets = [
            Target(r, self._sources, engine, self.messages[r.name], spools[r.name])
            for r in plan.requests
        ]

    def run(self, on_progress: Progress) -> Report:
        """Read the recording once, and make what can be made.

        Raises:
            AnyviewError: `nothing_augmented`; those of `Reading.events` and of the engine.
        """
        total = self.plan.images
        for event in self._reading.events():
            is_changed = self._sources.take(event)
            is_frame = isinstance(event, PosedFrame)
            if isinstance(event, PosedFrame):
                on_progress("making", event.images, total)
                for target in self.targets:
                    target.stream.note(event.camera, event.frame.stamp_ns, is_changed)
            for target in self.targets:
                target.advance(is_frame)
        for target in self.targets:
            target.end()
        on_progress("making", total, total)
        return self._report()

    def _report(self) -> Report:
        lines, answered = [], 0
        for target in self.targets:
            counts = target.stream.status().ledger
            answered += counts.published
            sources = ", ".join(target.stream.sources or target.request.sources) or "no source"
            lines.append(f"{target.request.name}: {counts.published} frames from {sources}")
            for code, count in sorted(counts.skipped.items()):
                why = f", e.g. {target.problems[code]}" if code in target.problems else ""
                lines.append(f"  {count} frames not answered: {code}{why}")
        for name, intake in self._reading.intakes().items():
            texts = {problem.code: problem.text for problem in intake.noted()}
            for code, count in sorted(intake.ledger.snapshot().dropped.items()):
                if code != "off_grid":
                    lines.append(f"{name}: {count} images not used: {code}, e.g. {texts.get(code)}")
        lines += [f"unreadable, copied as it is: {part}" for part in self.plan.bag.damage]
        if not answered:
            raise AnyviewError(
                "nothing_augmented",
                "not one frame of a virtual camera could be made; mend what is named here, or "
                "take other cameras (--sources):\n  " + "\n  ".join(lines),
            )
        return Report(tuple(lines), answered)
