"""What the node publishes, subscribes to, offers and calls, as an SROS2 policy (version 0.2.0).

`ros2 security generate_artifacts` turns it into the permissions of DDS. tests/node/
test_access_policy.py compares it with the graph of a node: nothing is missing, and nothing is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from anyview_ros.topics import COMPRESSED, INFO_TOPIC

VERSION = "0.2.0"
ANY_CAMERA = ("/*/image_raw", "/*/image_raw/compressed")  # where nobody names the cameras
VIRTUAL = "virtual/*"
PUBLISHED = (
    *(f"{VIRTUAL}/{t}" for t in ("image_raw", "image_raw/compressed", "camera_info")),
    *(f"{VIRTUAL}/{t}" for t in ("synthesis_info", "coverage", "uncertainty", "depth")),
    *("~/frustums", "~/steering/update", "~/transition_event"),
    *("/tf", "/tf_static", "/diagnostics", "/parameter_events", "/rosout"),
)
SUBSCRIBED = (f"{VIRTUAL}/set_pose", "~/steering/feedback", "/tf", "/tf_static", "/clock")
SERVICES = (
    *("~/add_virtual_camera", "~/update_virtual_camera", "~/remove_virtual_camera"),
    *("~/list_virtual_cameras", "~/synthesize", "~/steering/get_interactive_markers"),
    *("~/change_state", "~/get_state", "~/get_available_states", "~/get_available_transitions"),
    *("~/get_transition_graph", "~/get_type_description"),
    *("~/describe_parameters", "~/get_parameter_types", "~/get_parameters", "~/list_parameters"),
    *("~/set_parameters", "~/set_parameters_atomically"),
)
ACTIONS = ("~/synthesize_clip",)


@dataclass(frozen=True)
class Access:
    """Hold what one node may do.

    Args:
        images: topics that it takes images from, `.../compressed` among them, absolute; their
            camera infos lie beside them. Empty: of any camera.
        called: services of others that it may call: the parameter back_pressure.
        namespace: of the node.
        node: its name.
    """

    images: Sequence[str] = ()
    called: Sequence[str] = ()
    namespace: str = "/"
    node: str = "anyview"

    @property
    def subscribed(self) -> tuple[str, ...]:
        images = tuple(self.images) or ANY_CAMERA
        infos = dict.fromkeys(map(_info_beside, images))
        return (*images, *infos, *SUBSCRIBED)

    def policy(self) -> str:
        """Return the policy, in XML."""
        root = ElementTree.Element("policy", version=VERSION)
        enclave = ElementTree.SubElement(ElementTree.SubElement(root, "enclaves"), "enclave")
        enclave.set("path", f"{self.namespace.rstrip('/')}/{self.node}")
        profiles = ElementTree.SubElement(enclave, "profiles")
        profile = ElementTree.SubElement(profiles, "profile", ns=self.namespace, node=self.node)
        for kind, right, names in (
            ("topic", "publish", PUBLISHED),
            ("topic", "subscribe", self.subscribed),
            ("service", "reply", SERVICES),
            ("service", "request", self.called),
            ("action", "execute", ACTIONS),
        ):
            if names:
                group = ElementTree.SubElement(profile, f"{kind}s", {right: "ALLOW"})
                for name in names:
                    ElementTree.SubElement(group, kind).text = name
        ElementTree.indent(root)
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode")


def _info_beside(image: str) -> str:
    raw = image.removesuffix(COMPRESSED)
    return f"{raw.rpartition('/')[0]}/{INFO_TOPIC}"
