"""What torch's ONNX exporter says on every export, of itself rather than of the network."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

# Logger -> how the messages begin. Anything else these loggers say is heard.
CHATTER = {
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
    """Leave out the messages of `CHATTER`, and warnings of torch about its own code or our axes."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", DEPRECATED_WITHIN_TORCH, FutureWarning)
        warnings.filterwarnings("ignore", SHARED_AXES, UserWarning)
        for name, beginning in CHATTER.items():
            stack.enter_context(_without(logging.getLogger(name), beginning))
        yield


@contextmanager
def _without(logger: logging.Logger, beginning: str) -> Iterator[None]:
    def heard(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(beginning)

    logger.addFilter(heard)
    try:
        yield
    finally:
        logger.removeFilter(heard)
