"""A node that requires signatures: one package is signed, the other is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from anyview_ros.packages import load_package
from anyview_ros.signatures import sign
from tests.node.rig import SENT, asked, live, raised_camera, values_of
from tests.node.test_lifecycle import Manager
from tests.packages import make_package
from tests.test_signatures import write_keys

pytestmark = pytest.mark.graph

DOMAIN = 57


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The trusted public key; `signed` is signed with its owner's, `unsigned` is not."""
    private, public = write_keys(tmp_path, "trusted")
    sign(load_package(make_package(tmp_path / "signed")), private)
    make_package(tmp_path / "unsigned")
    return public


def refused(status: DiagnosticStatus) -> bool:
    return values_of(status).get("code") == "model_unsigned"


def test_an_unsigned_model_does_not_take_the_place_of_a_signed_one(key: Path) -> None:
    required = ("model_signature:=require", f"model_key:={key}")
    with live(DOMAIN, key.with_name("signed"), *required) as (opened, rig, caller):
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        assert caller.synthesize_when_ready(asked("chase")).success
        manager = Manager(opened)
        manager.set("model", str(key.with_name("unsigned")))
        status = caller.status("model", refused)
        assert status.level == DiagnosticStatus.WARN
        assert values_of(status)["model"] == "signed"
        assert status.message.endswith(f"'{key.with_name('signed')}' is served on")
        assert caller.synthesize(asked("chase")).success
        for name, value in (("model_signature", "off"), ("model_key", "")):
            assert not manager.set(name, value).successful, "nobody may lift it"


def test_a_node_that_warns_serves_it_and_says_so(key: Path) -> None:
    warned = ("model_signature:=warn", f"model_key:={key}")
    with live(DOMAIN, key.with_name("unsigned"), *warned) as (_, rig, caller):
        rig.send(SENT)
        status = caller.status("model", refused)
        assert status.level == DiagnosticStatus.WARN
        assert "unsigned/model.sig cannot be read" in status.message
        assert caller.add(raised_camera("chase")).success
        assert caller.synthesize_when_ready(asked("chase")).success
