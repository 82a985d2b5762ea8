"""What makes frames, by the name of a model."""

from __future__ import annotations

from anyview_ros.augment.settings import Model
from anyview_ros.engine.onnx.providers import ProviderChoice
from anyview_ros.engine.onnx.runtime import choose_provider
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.packages import find_package, load_package


def find_model(name: str, choice: ProviderChoice) -> Model:
    """Return a model; its networks are not loaded yet.

    Args:
        name: of its package, or a path.

    Raises:
        AnyviewError: those of `load_package` and `choose_provider`.
    """
    package, provider = load_package(find_package(name)), choose_provider(choice)
    return Model(package, provider, load=lambda: Pipeline(package, provider))
