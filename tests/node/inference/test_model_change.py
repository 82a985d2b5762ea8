"""A node whose next model cannot run serves on with its last good one, whatever is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from onnx import TensorProto, helper

from anyview_ros.engine.onnx.self_test import SELF_TEST, write_cases
from anyview_ros.packages import MANIFEST, load_package, sha256_of, write_manifest
from tests.graph import CHECKOUT, Graph
from tests.node.rig import SENT, Caller, Rig, asked, live, raised_camera, values_of, wait_for
from tests.node.test_lifecycle import Manager
from tests.node.test_node_lifecycle import is_gone
from tests.packages import make_package

pytestmark = pytest.mark.graph

CHANGE, CONFIGURE, ALONE = 176, 177, 178  # domains


def unknown(folder: Path) -> Path:
    return folder.with_name("no-such-package")


def incomplete(folder: Path) -> Path:
    (folder / "decode.onnx").unlink()
    return folder


def damaged(folder: Path) -> Path:
    content = bytearray((folder / "denoise.onnx").read_bytes())
    content[100] ^= 1
    (folder / "denoise.onnx").write_bytes(content)
    return folder


def against_the_contract(folder: Path) -> Path:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "solver": "heun"}))
    return folder


def no_graph(folder: Path) -> Path:
    (folder / "encode.onnx").write_bytes(b"this is no ONNX file")
    return sealed(folder)


def wrong_answers(folder: Path) -> Path:
    latent = {"shape": [1, 3, 2, 3, 4], "kept": [1e6] * 72}
    case = {"inputs": {"frames": [1, 3, 5, 24, 32]}, "values": {}, "outputs": {"latent": latent}}
    write_cases(folder, {"encode": case})
    return sealed(folder)


def too_large(folder: Path) -> Path:
    return sealed(folder, call_bytes=10**15)


def endless(folder: Path) -> Path:
    """Its answer to the question of the self-test takes 128 TB."""
    model = onnx.load(folder / "decode.onnx")
    model.graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [1], [1 << 45]))
    nodes = [
        helper.make_node("ReduceMean", ["latent"], ["a"], keepdims=0),
        helper.make_node("Expand", ["a", "shape"], ["b"]),
        helper.make_node("ReduceMean", ["b"], ["mean"], keepdims=0),
        helper.make_node("Add", ["latent", "mean"], ["moved"]),
    ]
    model.graph.node[0].input[0] = "moved"
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    onnx.save(model, folder / "decode.onnx")
    frames = {"shape": [1, 3, 5, 24, 32], "kept": [0.0] * 256}
    inputs = {"latent": [1, 3, 2, 3, 4]}
    write_cases(folder, {"decode": {"inputs": inputs, "values": {}, "outputs": {"frames": frames}}})
    return sealed(folder)


def of_other_graphs(folder: Path) -> Path:
    shutil.copy(folder / "encode.onnx", folder / "denoise.onnx")
    return sealed(folder)


def no_self_test(folder: Path) -> Path:
    (folder / SELF_TEST).write_text('{"encode": []}')
    return sealed(folder)


def sealed(folder: Path, **changes: Any) -> Path:
    """With a manifest of the files as they are."""
    names = {file.name for file in folder.glob("*.onnx")}
    names |= {SELF_TEST} if (folder / SELF_TEST).exists() else set()
    contract = replace(
        load_contract(folder), files={n: sha256_of(folder / n) for n in sorted(names)}, **changes
    )
    write_manifest(folder, contract)
    return folder


def load_contract(folder: Path) -> Any:
    """Of a package whose files may have been changed."""
    return load_package(make_package(folder.with_name(f"{folder.name}-whole"))).contract


BROKEN: dict[Callable[[Path], Path], tuple[str, str]] = {
    unknown: ("unknown_model", "holds no manifest.json"),
    incomplete: ("model_damaged", "'decode.onnx' is missing"),
    damaged: ("model_damaged", "'denoise.onnx' in .* has sha256"),
    against_the_contract: ("invalid_model", "solver must be one of"),
    no_graph: ("invalid_model", "encode.onnx: no ONNX file"),
    of_other_graphs: ("invalid_model", "denoise.onnx to have the inputs noisy, t, rays, context"),
    no_self_test: ("invalid_model", "selftest.json: the self-test.encode must be an object"),
    wrong_answers: ("self_test_failed", "computes encode.latent"),
    too_large: ("not_enough_memory", "needs about 1000000.0 GB on cpu"),
    endless: ("out_of_memory", "memory ran out"),
}
kinds = pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)


class Street:
    """A live node that serves `good`, and what it answered at first."""

    def __init__(self, good: Path, opened: Graph, rig: Rig, caller: Caller) -> None:
        self.good, self.rig, self.caller = good, rig, caller
        self.manager = Manager(opened)
        rig.send(SENT)
        assert caller.add(raised_camera("chase")).success
        self.first = self.frame()

    def frame(self) -> tuple[str, bytes]:
        """The model's name and a frame that it makes."""
        answer = self.caller.synthesize_when_ready(asked("chase", seed=5, return_frames=True))
        assert answer.success, answer.message
        return answer.infos[0].model, bytes(answer.frames[0].data)

    def send_again(self) -> None:
        self.rig.wait_for_node(self.caller)
        self.rig.send(SENT)

    def status(self, holds: Callable[[Any], bool] = bool) -> Any:
        return self.caller.status("model", holds)

    def refusal(self) -> Any:
        """What is said of the model that was asked for and does not run."""
        return self.status(lambda status: "code" in values_of(status))

    @property
    def worker(self) -> int:
        return int(values_of(self.status())["worker_pid"])


@contextmanager
def street(domain: int, good: Path, *parameters: str) -> Iterator[Street]:
    with live(domain, good, *parameters) as (opened, rig, caller):
        yield Street(good, opened, rig, caller)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "good")


@pytest.fixture(scope="module")
def changing(good: Path) -> Iterator[Street]:
    with street(CHANGE, good) as running:
        yield running


@pytest.fixture(scope="module")
def configured(good: Path) -> Iterator[Street]:
    with street(CONFIGURE, good) as running:
        yield running


def check_refusal(street: Street, broken: Callable[[Path], Path], path: Path) -> None:
    code, text = BROKEN[broken]
    status = street.refusal()
    assert status.level == DiagnosticStatus.WARN
    assert values_of(status)["code"] == code
    assert (values_of(status)["model"], values_of(status)["asked"]) == ("good", str(path))
    assert status.message.startswith(f"model '{path}' cannot run: ")
    assert status.message.endswith(f"'{street.good}' is served on")
    assert re.search(text, status.message), status.message


@kinds
def test_a_change_that_fails_disturbs_nothing(
    changing: Street, broken: Callable[[Path], Path], tmp_path: Path
) -> None:
    worker, path = changing.worker, broken(make_package(tmp_path / "next"))
    assert changing.manager.set("model", str(path)).successful
    check_refusal(changing, broken, path)
    assert changing.frame() == changing.first, "from the frames it had: it never ceased to listen"
    assert changing.worker == worker, "the process stayed"
    assert changing.manager.set("model", str(changing.good)).successful
    changing.status(lambda s: "code" not in values_of(s) and "loading" not in values_of(s))
    wait_for(lambda: is_gone(worker), "the end of the process before")
    changing.send_again()


@kinds
def test_configured_with_a_model_that_fails_it_serves_the_last_good_one(
    configured: Street, broken: Callable[[Path], Path], tmp_path: Path
) -> None:
    path, manager = broken(make_package(tmp_path / "next")), configured.manager
    for transition in ("deactivate", "cleanup"):
        assert manager.make(transition)
    assert manager.set("model", str(path)).successful
    for transition in ("configure", "activate"):
        assert manager.make(transition)
    check_refusal(configured, broken, path)
    configured.send_again()
    assert configured.frame() == configured.first


def test_another_model_takes_the_place_of_the_one_before(good: Path, tmp_path: Path) -> None:
    other = make_package(tmp_path / "other", scene_scale=1.0, frames=(5,))
    with street(ALONE, good) as running:
        before = running.worker
        assert running.manager.set("model", str(other)).successful
        running.status(lambda status: values_of(status).get("model") == "other")
        wait_for(lambda: is_gone(before), "the end of the process before")
        running.send_again()
        name, pixels = running.frame()
        assert name == "other"
        assert pixels != running.first[1]
        assert running.manager.state == "active"


MACHINE = """
# A machine of 10 GB, of which every other inference process of this node holds 6.
import os
from pathlib import Path
import anyview_ros.engine.onnx.memory as memory

def free_in_machine():
    node = os.getppid()
    own = Path(f"/proc/{node}/task").glob("*/children")
    pids = {int(pid) for file in own for pid in file.read_text().split()} - {os.getpid()}
    return int(10e9 - 6e9 * sum(lives(pid) for pid in pids))

def lives(pid):
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"worker_process" in command

memory._free_in_machine = free_in_machine
"""


@pytest.fixture
def small_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site" / "sitecustomize.py").parent.mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(MACHINE)
    paths = [str(tmp_path / "site"), str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@pytest.mark.usefixtures("small_machine")
def test_where_memory_holds_one_model_only(tmp_path: Path) -> None:
    def of_6_gb(name: str) -> Path:
        return make_package(tmp_path / name, call_bytes=6 * 10**9)

    first, second, wrong = of_6_gb("first"), of_6_gb("second"), of_6_gb("wrong")
    wrong_answers(wrong)
    manifest = json.loads((wrong / MANIFEST).read_text())
    (wrong / MANIFEST).write_text(json.dumps({**manifest, "call_bytes": 6 * 10**9}))
    large = make_package(tmp_path / "large", call_bytes=17 * 10**9)

    with street(ALONE, first) as running:
        before = running.worker
        assert running.manager.set("model", str(large)).successful
        status = running.refusal()
        assert values_of(status)["code"] == "not_enough_memory"
        assert "needs about 17.0 GB on cpu" in status.message
        assert "4.0 GB are free, and 6.0 with the model that it would replace" in status.message
        assert running.worker == before, "what fits in no case ends nothing"

        assert running.manager.set("model", str(wrong)).successful
        status = running.status(lambda s: values_of(s).get("code") == "self_test_failed")
        assert values_of(status)["model"] == "first"
        assert is_gone(before), "it was found out in memory that this one had held"
        running.send_again()
        assert running.frame() == running.first, "it came back"

        again = running.worker
        assert running.manager.set("model", str(second)).successful
        running.status(lambda status: values_of(status).get("model") == "second")
        assert is_gone(again)
        running.send_again()
        assert running.frame()[0] == "second"

        damaged(second)
        assert running.manager.set("model", str(wrong)).successful
        running.status(lambda status: "nor can" in status.message)
        assert running.manager.set("model", str(first)).successful
        running.status(lambda status: values_of(status).get("model") == "first")
        running.send_again()
        assert running.frame() == running.first, "it is listening again, too"
