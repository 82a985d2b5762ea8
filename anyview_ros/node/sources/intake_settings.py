"""How frames are stored by the node's parameters, and which of them change nothing."""

from __future__ import annotations

from dataclasses import replace

from anyview_ros.clips.intake.intake_config import IntakeConfig, memory_limits
from anyview_ros.contract import Contract
from anyview_ros.node.parameters import Settings, is_default


def intake_config(settings: Settings, contract: Contract) -> IntakeConfig:
    """Return how frames are stored for a model, by the parameters."""
    return replace(
        IntakeConfig.of(contract, settings.source_size),
        memory=memory_limits(settings, contract),
        without_effect=without_effect(settings, contract),
    )


def without_effect(settings: Settings, contract: Contract) -> dict[str, str]:
    """Return parameters of the sources that were set and change nothing for a model, and why."""
    found = {}
    is_set = {name: not is_default(settings, name) for name in ("source_size", "memory_s")}
    if is_set["source_size"] and settings.source_size and not contract.sweep_weights:
        found["source_size"] = (
            f"has no effect: model '{contract.name}' does not tell which source a pixel is from "
            "(sweep_weights of its manifest), so no detail is copied, and frames are kept at its "
            "own size"
        )
    if is_set["memory_s"] and settings.memory_s and contract.max_sources == 1:
        found["memory_s"] = (
            f"has no effect: model '{contract.name}' takes one source, which is a camera of now"
        )
    return found
