"""No shell, no eval, no pickle of others and no network: what SECURITY.md says of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "anyview_ros"
NETWORK = {
    "socket",
    "http",
    "urllib",
    "ftplib",
    "smtplib",
    "requests",
    "ssl",
    "websockets",
    "viser",
    "ray",
    "fsspec",
}
UNPICKLERS = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# module -> what it may import, and why
MAY = {
    "node/inference/worker.py": {"socket"},  # wakes the pipe to its own process
    "view/page.py": {"viser"},  # the page, on this machine
    "view/live_page.py": {"viser"},
    "view/local_server.py": {"socket", "viser", "websockets.asyncio.server"},
    "augment/ray_workers.py": {"ray"},  # many recordings, where it is asked for
    "augment/stores.py": {"fsspec.core", "fsspec.registry"},  # paths that the caller gives
    "datasets/bag_sqlite.py": {"urllib.parse"},  # the name of a file
}
# Functions that can read pickles: the keyword that forbids it, and its value.
TOLD = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
SAFE_BY_ITSELF = ("np.load",)


def unsafe(source: str) -> Iterator[str]:
    """What a module does that it may not, import by import and call by call."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if not_allowed(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and not_allowed(node.module):
            yield node.module
        elif isinstance(node, ast.Call):
            name, given = ast.unparse(node.func), {k.arg: k.value for k in node.keywords}
            if name in ("eval", "exec", "os.system", "os.popen", "subprocess.getoutput"):
                yield name
            if "shell" in given and name.startswith("subprocess."):
                yield f"{name} with a shell"
            if name in TOLD:
                keyword, value = TOLD[name]
                by_itself = ast.Constant(value if name in SAFE_BY_ITSELF else not value)
                told = given.get(keyword, by_itself)
                if not (isinstance(told, ast.Constant) and told.value is value):
                    yield f"{name} without {keyword}"


def not_allowed(module: str) -> bool:
    return module.partition(".")[0] in NETWORK | UNPICKLERS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("eval('1')", "eval"),
        ("import os\nos.system('ls')", "os.system"),
        ("import subprocess\nsubprocess.run('ls', shell=True)", "subprocess.run with a shell"),
        ("from pickle import loads", "pickle"),
        ("def f():\n    import urllib.request", "urllib.request"),
        ("torch.load(f)", "torch.load without weights_only"),
        ("torch.load(f, weights_only=False)", "torch.load without weights_only"),
        ("np.load(f, allow_pickle=True)", "np.load without allow_pickle"),
    ],
)
def test_what_is_unsafe_is_seen(source: str, found: str) -> None:
    assert list(unsafe(source)) == [found]


def test_no_shell_no_eval_no_pickle_and_no_network() -> None:
    found = {}
    for file in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "scripts").glob("*.py")]):
        name = str(file.relative_to(PACKAGE if PACKAGE in file.parents else ROOT))
        may = MAY.get(name, set())
        used = {u for u in unsafe(file.read_text(encoding="utf-8")) if u not in may}
        if used:
            found[name] = used
    assert found == {}


def test_processes_of_one_training_run_alone_talk_over_torch() -> None:
    """The page names `torchrun` among what opens a connection."""
    files = [file for file in PACKAGE.rglob("*.py") if "init_process_group" in file.read_text()]
    assert [str(file.relative_to(PACKAGE)) for file in files] == ["training/distributed.py"]
    assert "`torchrun`" in (ROOT / "SECURITY.md").read_text()


def test_every_check_that_the_page_names_is_there() -> None:
    page = (ROOT / "SECURITY.md").read_text()
    named = re.findall(r"`((?:tests|\.ci)/[^`]+)`", page)
    assert len(named) > 8
    for path in named:
        assert (ROOT / path).exists(), path
    script = (ROOT / ".ci" / "audit").read_text()
    assert "requirements/*.txt" in script
    assert "--strict" in script, "without it a package that is not found counts as clean"
