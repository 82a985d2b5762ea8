"""The one module that knows ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.onnx import small_graphs
from anyview_ros.engine.onnx.package_files import GraphContent
from anyview_ros.engine.onnx.providers import (
    AUTO,
    PROVIDERS,
    Assigned,
    Device,
    Provider,
    ProviderChoice,
    check_assigned,
    check_running,
    chosen,
    device_of,
    engine_folder,
    session_providers,
)
from anyview_ros.errors import AnyviewError

__all__ = ["AUTO", "PROVIDERS", "Bound", "Graph", "OnDevice", "Outputs", "choose_provider"]

Shapes = Mapping[str, Sequence[int]]
Outputs = dict[str, NDArray[np.float32]]  # of a graph, by name
AS_REQUESTED = 1  # how an arena grows: by what is asked for; 0: by ever larger powers of two
UNBOUND = 0, -1, -1  # of an arena: the most it takes; its first piece and its waste as they are
OUT_OF_MEMORY = ("failed to allocate memory", "out of memory", "bad_alloc", "bad allocation")
Buffer = Any  # an OrtValue: a tensor at a fixed place on the device


def choose_provider(asked: ProviderChoice = AUTO) -> Provider:
    """See `providers.chosen`.

    Raises:
        AnyviewError: `no_onnxruntime`, `unknown_provider` or `provider_unavailable`.
    """
    return chosen(asked, _onnxruntime().get_available_providers())


class Graph:
    """One ONNX graph in a session, called with named arrays, or bound to buffers.

    Args:
        model: the .onnx file, beside which external data must lie; or what was read of a package.
        provider: from `choose_provider`.
        threads: of the CPU provider; 0 = one a core.
        package: sha256 of the package that the graph is of, see `providers.engine_folder`.

    Raises:
        AnyviewError: `invalid_model` or `out_of_memory` when the file cannot be loaded,
            `provider_unavailable` when
            ONNX Runtime fell back to another provider than `provider` without saying so,
            `left_on_cpu`, see `providers.check_assigned`.
    """

    def __init__(
        self,
        model: Path | GraphContent,
        provider: Provider,
        threads: int = 0,
        package: str = "",
    ) -> None:
        self.provider = provider
        self._model = model  # whose weights the session uses where they lie
        self._session = _session(model, provider, threads, package)
        self.inputs = {i.name: i.shape for i in self._session.get_inputs()}
        self.outputs = tuple(o.name for o in self._session.get_outputs())
        values = (*self._session.get_inputs(), *self._session.get_outputs())
        self.types = {value.name: value.type for value in values}
        self.output_shapes = {o.name: o.shape for o in self._session.get_outputs()}
        check_running(self._session.get_providers()[0], provider)
        self.nodes = _assigned(self._session)
        check_assigned(self.nodes, provider, self.fixed, model.name)

    @property
    def fixed(self) -> bool:
        """Whether all inputs have one shape only."""
        return all(isinstance(side, int) for shape in self.inputs.values() for side in shape)

    def __call__(self, **arrays: NDArray[np.float32]) -> Outputs:
        """Every output by its name.

        Raises:
            AnyviewError: `inference_failed` or `out_of_memory`, with ONNX Runtime's own words.
        """
        try:
            values = self._session.run(None, arrays)
        except Exception as error:  # ONNX Runtime's own exceptions share no base class
            shapes = ", ".join(f"{k} {v.shape}" for k, v in arrays.items())
            raise _failure("inference_failed", f"{error} (inputs: {shapes})") from error
        return dict(zip(self.outputs, values, strict=True))

    def bound(self, inputs: Shapes, outputs: Shapes) -> Bound:
        """The graph with buffers on the device for float32 tensors of these shapes."""
        return Bound(self._session, device_of(self.provider), inputs, outputs)


class Bound:
    """A graph whose inputs and outputs have places on the device, the same for all calls."""

    def __init__(self, session: Any, device: Device, inputs: Shapes, outputs: Shapes) -> None:
        self._session, self._binding = session, session.io_binding()
        self.buffers: dict[str, Buffer] = {}
        for name, shape in (*inputs.items(), *outputs.items()):
            self.buffers[name] = _empty(shape, device)
        for name in inputs:
            self._binding.bind_ortvalue_input(name, self.buffers[name])
        for name in outputs:
            self._binding.bind_ortvalue_output(name, self.buffers[name])

    def write(self, name: str, array: NDArray[np.float32]) -> None:
        """Copy an array to the device."""
        self.buffers[name].update_inplace(np.ascontiguousarray(array, np.float32))

    def __call__(self) -> None:
        """Compute the outputs' buffers from the inputs'.

        Raises:
            AnyviewError: `inference_failed` or `out_of_memory`.
        """
        _run(self._session, self._binding)


class OnDevice:
    """Arithmetic of buffers where a provider's tensors lie, see `arithmetic.Arithmetic`."""

    def __init__(self, provider: Provider) -> None:
        # TensorRT would build an engine for each; its tensors are CUDA's.
        runs = self._device = device_of(provider)
        graphs = [small_graphs.blend(1 + k) for k in range(len(small_graphs.TERMS))]
        self._blends = [_session(graph, runs, 1) for graph in graphs]
        self._apart = _session(small_graphs.apart(), runs, 1)
        self._overlay = _session(small_graphs.overlay(), runs, 1)

    def put(self, array: NDArray[np.float32]) -> Buffer:
        """A buffer with a copy of an array."""
        buffer = _empty(array.shape, self._device)
        buffer.update_inplace(np.ascontiguousarray(array, np.float32))
        return buffer

    def get(self, buffer: Buffer) -> NDArray[np.float32]:
        """A copy of a buffer."""
        return np.array(buffer.numpy(), np.float32)

    def blend(self, terms: Sequence[tuple[float, Buffer]], out: Buffer | None = None) -> Buffer:
        """The sum of weights times buffers, taken in float64, as float32.

        Args:
            out: where to; a new buffer where it is not given.
        """
        session = self._blends[len(terms) - 1]
        binding = session.io_binding()
        for name, (weight, buffer) in zip(small_graphs.TERMS, terms, strict=False):
            binding.bind_ortvalue_input(name, buffer)
            binding.bind_cpu_input(f"w{name}", np.array(weight, np.float64))
        out = _empty(terms[0][1].shape(), self._device) if out is None else out
        binding.bind_ortvalue_output("blended", out)
        _run(session, binding)
        return out

    def apart(self, a: Buffer, b: Buffer) -> float:
        """Mean absolute difference."""
        binding = self._apart.io_binding()
        binding.bind_ortvalue_input("a", a)
        binding.bind_ortvalue_input("b", b)
        binding.bind_output("apart", "cpu")
        _run(self._apart, binding)
        return float(binding.copy_outputs_to_cpu()[0])

    def overlay(self, front: Buffer, whole: Buffer, out: Buffer) -> None:
        """`out` becomes `whole` with `front` in place of its first latent frames, axis 2."""
        binding = self._overlay.io_binding()
        binding.bind_ortvalue_input("front", front)
        binding.bind_ortvalue_input("whole", whole)
        sides = {"start": front.shape()[2], "end": whole.shape()[2], "axis": 2}
        for name, value in sides.items():
            binding.bind_cpu_input(name, np.array([value], np.int64))
        binding.bind_ortvalue_output("overlaid", out)
        _run(self._overlay, binding)


def _session(
    model: Path | GraphContent | bytes, provider: Provider, threads: int, package: str = ""
) -> Any:
    """A session of a file, of what was read of one, or of a small graph's bytes.

    Raises:
        AnyviewError: `invalid_model` or `out_of_memory`.
    """
    ort = _onnxruntime()
    if provider != "cpu":
        ort.preload_dlls()  # CUDA and cuDNN from wheels are not on the loader's path
    options = _session_options(ort, threads)
    if provider == "cpu":
        _share_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
    given: str | bytes
    if isinstance(model, bytes):  # else casts are taken out, and sums are rounded otherwise
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        given, name = model, "a graph of the sampler"
    elif isinstance(model, GraphContent):
        _give_weights(ort, options, model)
        given, name = model.model, model.name
    else:
        given = name = str(model)
    if provider == "tensorrt":  # which makes no parents of its folder
        engine_folder(package).mkdir(parents=True, exist_ok=True)
    try:
        return ort.InferenceSession(given, options, session_providers(provider, package))
    except Exception as error:  # ONNX Runtime's own exceptions share no base class
        raise _failure("invalid_model", f"{name} cannot be loaded: {error}") from error


@cache
def _share_arena() -> None:
    """Make one arena for all sessions of the process that run on the processor.

    They run one after the other, or a few at a time: a package's five graphs with an arena each
    hold the most that each has ever used, all at once (benchmarks/RESULTS.md).
    """
    ort = _onnxruntime()
    kind, memory = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, ort.OrtMemType.DEFAULT
    place = ort.OrtMemoryInfo("Cpu", kind, 0, memory)
    most, *pieces = UNBOUND
    ort.create_and_register_allocator(place, ort.OrtArenaCfg(most, AS_REQUESTED, *pieces))


def _give_weights(ort: Any, options: Any, model: GraphContent) -> None:
    """Have a session take a graph's weights from memory, where they lie."""
    make = ort.OrtValue.ortvalue_from_numpy_with_onnx_type
    values = [make(weights.array, weights.kind) for weights in model.weights.values()]
    if values:
        options.add_external_initializers(list(model.weights), values)


def _assigned(session: Any) -> list[Assigned]:
    """Every node with its provider; ONNX Runtime before 1.24 does not tell."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return []
    return [
        Assigned(part.ep_name, node.op_type, node.name)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]


def _empty(shape: Sequence[int], device: Device) -> Buffer:
    ort = _onnxruntime()
    return ort.OrtValue.ortvalue_from_shape_and_type(list(shape), np.float32, device, 0)


def _run(session: Any, binding: Any) -> None:
    try:
        session.run_with_iobinding(binding)
    except Exception as error:  # as above
        raise _failure("inference_failed", str(error)) from error


def _failure(code: str, said: str) -> AnyviewError:
    """`code`, or `out_of_memory` where ONNX Runtime's words are of memory that it did not get."""
    if not any(words in said.lower() for words in OUT_OF_MEMORY):
        return AnyviewError(code, said)
    remedy = "a shorter clip, smaller images, fp16, or less beside it on that memory"
    return AnyviewError("out_of_memory", f"memory ran out, which needs {remedy}: {said}")


def _session_options(ort: Any, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    # A spinning thread pool starves the camera callbacks on machines with few cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    # As the exporter wrote it: otherwise what a piece of a clip leaves for the next is cut from its
    # tensors only then, and all of those are held until then.
    options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    options.log_severity_level = 3
    return options


def check_installed() -> None:
    """Refuse where ONNX Runtime is not installed; nothing is loaded.

    Raises:
        AnyviewError: `no_onnxruntime`.
    """
    if find_spec("onnxruntime") is None:
        raise _not_installed()


def _not_installed() -> AnyviewError:
    return AnyviewError(
        "no_onnxruntime",
        "onnxruntime is not installed; run 'pip install onnxruntime' "
        "(onnxruntime-gpu with an NVIDIA GPU, never both)",
    )


def _onnxruntime() -> Any:
    # Else its import makes ~/.cache/Microsoft/DeveloperTools/.onnxruntime, a store of events to be
    # sent with an identity of the machine (1.32; `disable_telemetry_events` comes too late).
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError:
        raise _not_installed() from None
    return onnxruntime
