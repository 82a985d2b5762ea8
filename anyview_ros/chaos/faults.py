"""All faults, and how one is done."""

from __future__ import annotations

from anyview_ros.chaos.command_faults import COMMAND_FAULTS, CommandFault, kill_again_and_again
from anyview_ros.chaos.fault import Fault, Outcome
from anyview_ros.chaos.lab import Lab
from anyview_ros.chaos.live_faults import LIVE_FAULTS

FAULTS: tuple[Fault | CommandFault, ...] = (*LIVE_FAULTS, *COMMAND_FAULTS)


def outcome_of(fault: Fault | CommandFault, lab: Lab) -> Outcome:
    """Do a fault, and return what came of it."""
    return lab.run(fault) if isinstance(fault, Fault) else kill_again_and_again(fault, lab)
