"""Whether the graphs of a package take and give what its contract says, before any of them runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from anyview_ros.contract import RAY_SPACING, SURFACES, Contract
from anyview_ros.engine.onnx.bound_denoiser import WEIGHTS
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.errors import AnyviewError

FLOAT = "tensor(float)"
ANY: Collection[int] = ()  # of a side: not known before it runs
Sides = Sequence[Collection[int]]


def check_graphs(contract: Contract, graphs: Mapping[str, Graph]) -> None:
    """Check names, types and fixed sides of all inputs and outputs.

    Raises:
        AnyviewError: `invalid_model`, saying which graph has what, and what it needs.
    """
    shapes = _Shapes(contract)
    opaque = dict.fromkeys(graphs["condition"].output_shapes, None)
    if not opaque:
        _refuse(contract, "condition", "one output or more", "none")
    video, latent, rays = shapes.video, shapes.latent, shapes.rays
    denoise: dict[str, Sides | None] = {"noisy": latent, "t": None, "rays": rays, **opaque}
    prediction: list[Sides | None] = [latent]
    if contract.plane_sweep:
        denoise["sweep"] = shapes.sweep
    if contract.sweep_weights:
        prediction.append(shapes.weights)
        given = graphs["denoise"].output_shapes
        if WEIGHTS not in list(given)[1:2]:
            _refuse(contract, "denoise", f"'{WEIGHTS}' as its second output", list(given))
    needed: dict[str, tuple[Mapping[str, Sides | None], Sequence[Sides | None]]] = {
        "encode": ({"frames": video}, [latent]),
        "condition": ({"latent": latent, "rays": rays}, [None] * len(opaque)),
        "denoise": (denoise, prediction),
        "decode": ({"latent": latent}, [video]),
    }
    if contract.surfaces is not None:
        names = ("image", "costs", "smooth", "ground")
        needed[SURFACES] = (dict(zip(names, shapes.surfaces, strict=True)), [shapes.surfaces[1]])
    for name, (inputs, outputs) in needed.items():
        _check(contract, name, graphs[name], inputs, outputs)
    levels = list(graphs["denoise"].inputs["t"])
    each = _fits(levels, shapes.levels) and all(isinstance(side, int) for side in levels)
    if not each and (contract.known_frames or levels != [1]):
        one = "" if contract.known_frames else "(1), or "
        _refuse(contract, "denoise", f"'t' of the sides {one}{_words(shapes.levels)}", levels)


class _Shapes:
    """Hold what sides the tensors of a contract have, each one of some."""

    def __init__(self, contract: Contract) -> None:
        cell = contract.latent
        heights, widths = (sorted(set(sides)) for sides in zip(*contract.sizes, strict=True))
        groups = sorted({1 + (frames - 1) // cell.time for frames in contract.frames})
        rows = [height // cell.height for height in heights]
        columns = [width // cell.width for width in widths]
        cells = (groups, rows, columns)
        one, planes = [1], len(contract.plane_sweep) + 1 + contract.composite
        spread = (cell.height // RAY_SPACING) * (cell.width // RAY_SPACING)
        coded = 2 * cell.channels if contract.ray_code == "autoencoder" else 6 * cell.time * spread
        self.video: Sides = (one, [3], contract.frames, heights, widths)
        self.latent: Sides = (one, [cell.channels], *cells)
        self.rays: Sides = (one, [coded], *cells)
        self.levels: Sides = (one, groups)
        self.sweep: Sides = (one, [planes], [cell.channels + 2], *cells)
        self.weights: Sides = (one, [planes + 1], *cells)
        depths = [contract.surfaces.count] if contract.surfaces else ANY
        image, costs, ground = ((ANY, side, heights, widths) for side in ([3], depths, one))
        self.surfaces: Sequence[Sides] = (image, costs, costs, ground)


def _check(
    contract: Contract,
    name: str,
    graph: Graph,
    inputs: Mapping[str, Sides | None],
    outputs: Sequence[Sides | None],
) -> None:
    """Compare one graph; a tensor without sides is any."""
    if set(graph.inputs) != set(inputs):
        _refuse(contract, name, f"the inputs {', '.join(inputs)}", list(graph.inputs))
    if len(graph.output_shapes) < len(outputs):
        _refuse(contract, name, f"{len(outputs)} outputs", list(graph.output_shapes))
    made = zip(graph.output_shapes, outputs, strict=False)
    wrong = [key for key in (*inputs, *graph.output_shapes) if graph.types[key] != FLOAT]
    if wrong:
        _refuse(contract, name, f"float32 as '{wrong[0]}'", graph.types[wrong[0]])
    for key, sides in (*inputs.items(), *made):
        shape = graph.inputs[key] if key in graph.inputs else graph.output_shapes[key]
        if sides is not None and not _fits(shape, sides):
            _refuse(contract, name, f"'{key}' of the sides {_words(sides)}", list(shape))


def _fits(shape: Sequence[object], sides: Sides) -> bool:
    return len(shape) == len(sides) and all(
        not isinstance(side, int) or not allowed or side in allowed
        for side, allowed in zip(shape, sides, strict=True)
    )


def _words(sides: Sides) -> str:
    return "(" + ", ".join("|".join(map(str, side)) or "any" for side in sides) + ")"


def _refuse(contract: Contract, graph: str, needed: str, found: object) -> None:
    raise AnyviewError(
        "invalid_model",
        f"'{contract.name}': its contract needs {graph}.onnx to have {needed}, got {found}; export "
        "the package again",
    )
