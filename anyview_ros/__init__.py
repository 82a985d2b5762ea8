"""Cameras that are not there: virtual camera views synthesized from the cameras a robot has."""

from pkgutil import extend_path

# The generated anyview_ros.msg, .srv and .action live in the install prefix. From a source
# checkout this folder would shadow them; merging both paths lets edits here stay live.
__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
