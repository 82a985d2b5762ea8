"""Cameras that are not there: virtual camera views synthesized from the cameras a robot has."""

from pkgutil import extend_path

# The generated anyview_ros.msg, .srv and .action live in the install prefix. From a source
# checkout this folder would shadow them; merging both paths lets edits here stay live.
__path__ = extend_path(__path__, __name__)


def __getattr__(name: str) -> str:
    """Return `__version__`, read from package.xml when it is asked for."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from anyview_ros.installed import version

    return version()
