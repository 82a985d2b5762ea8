"""All virtual cameras of a recording: those that the file names, and those that it lets draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anyview_ros.augment.cameras_file import CamerasFile, checked
from anyview_ros.augment.plan import Plan
from anyview_ros.augment.rig_survey import survey
from anyview_ros.augment.sampling import Sampled, recording_key, sampled
from anyview_ros.augment.settings import Settings
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.contract import Contract
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.errors import AnyviewError


@dataclass(frozen=True)
class Requested:
    """The virtual cameras.

    Args:
        plan: of all of them.
        samples: those that were drawn, by sampler.
    """

    plan: Plan
    samples: tuple[Sampled, ...]


def requested(
    file: CamerasFile,
    source: Path,
    bag: Bag,
    options: BagOptions,
    settings: Settings,
    contract: Contract,
) -> Requested:
    """Return the plan of the cameras of a file.

    Args:
        source: of the recording, as it was given.
        bag: that recording, open.

    Raises:
        AnyviewError: those of `Plan`, `survey` and `sampled`; `name_taken`.
    """
    plan = Plan(bag, options, file.named)
    if not file.samplers:
        return Requested(plan, ())
    rig, key = survey(plan, contract, settings.source_size), recording_key(source)
    scale = settings.scene_scale or contract.scene_scale
    samples = tuple(sampled(sampler, rig, key, scale) for sampler in file.samplers)
    requests = list[CameraRequest](file.named)
    for entry in (entry for sample in samples for entry in sample.entries):
        if any(entry.name == other.name for other in requests):
            raise AnyviewError(
                "name_taken",
                f"a sampler draws a camera '{entry.name}', and the file names one; name one of "
                "them otherwise",
            )
        requests.append(checked(entry, contract))
    return Requested(Plan(bag, options, requests), samples)
