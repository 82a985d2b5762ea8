"""The whole way of `anyview bench`: evaluate, sum up, write everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyview_ros.evaluation import results as results_module
from anyview_ros.evaluation.acceptance import notes
from anyview_ros.evaluation.contact_sheet import write_sheet
from anyview_ros.evaluation.evaluation import Outcome
from anyview_ros.evaluation.html_report import SHEET, write_page
from anyview_ros.evaluation.results import summary
from anyview_ros.evaluation.root_suite import RootSuite
from anyview_ros.evaluation.run import Failure, Plan, Results, begin, evaluate_missing
from anyview_ros.evaluation.suite import Episode
from anyview_ros.whole_file import full_disk_named


def bench(
    plan: Plan, workers: int, on_episode: Callable[[Outcome | Failure], None]
) -> dict[str, Any]:
    """Evaluate what is missing of a run, and write its results; returns what results.json holds.

    Raises:
        AnyviewError: as `begin` and `evaluate_missing`, and `disk_full`; bad episodes are in the
            results instead.
    """
    with full_disk_named(plan.out):
        return _benched(plan, workers, on_episode)


def _benched(
    plan: Plan, workers: int, on_episode: Callable[[Outcome | Failure], None]
) -> dict[str, Any]:
    begin(plan)
    found = evaluate_missing(plan, workers, on_episode)
    unmet: list[str] = []
    if not isinstance(plan.suite, RootSuite):
        unmet = notes(summary(found, plan.suite.groups)["groups"], plan.sampling.speeds[0])
    content = results_module.write(plan, found, unmet)
    _write_sheet(plan, found)
    write_page(plan.out, content)
    return content


def _write_sheet(plan: Plan, found: Results) -> None:
    if not found.outcomes:
        return
    folders = {o.name: plan.folder(Episode(o.split, o.name)) for o in found.outcomes}
    strips = {o.name: (folders[o.name] / f"{o.name}.png", list(o.rows)) for o in found.outcomes}
    write_sheet(plan.out / SHEET, strips)
