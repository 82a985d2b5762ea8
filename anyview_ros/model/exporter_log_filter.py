"""Leave out what torch's ONNX exporter logs on every export, about itself and not the network."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

# Logger -> how the messages begin. All other messages pass.
KNOWN_WARNINGS = {
    # Its operators are looked up on every export, also where no network uses them.
    "torch.onnx._internal.exporter._registration": "torchvision is not installed",
    # A Split that is not folded is computed at run time, and weights that are not shared here are
    # shared by `SharedWeights`: neither changes a number.
    "onnxscript.optimizer._constant_folding": "Skipping constant folding for op",
    "onnx_ir.passes.common.initializer_deduplication": "Skipped deduplication of initializer",
}
# Inputs of the same sides are meant to share them.
SHARED_AXES = r"# The axis name: .* shares the same shape constraints with another axis"
DEPRECATED_WITHIN_TORCH = r"`isinstance\(treespec, LeafSpec\)` is deprecated"


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Leave out `KNOWN_WARNINGS`, and warnings of torch about its own code or our axes."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", DEPRECATED_WITHIN_TORCH, FutureWarning)
        warnings.filterwarnings("ignore", SHARED_AXES, UserWarning)
        for name, beginning in KNOWN_WARNINGS.items():
            stack.enter_context(_without(logging.getLogger(name), beginning))
        yield


@contextmanager
def _without(logger: logging.Logger, beginning: str) -> Iterator[None]:
    def passes(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(beginning)

    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)
