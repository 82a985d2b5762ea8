"""Ctrl-C in the first seconds, while an executable imports what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
# In place of rclpy: the terminal's signal and the one that launch sends after it.
INTERRUPTED = "import os, signal\nfor _ in range(2): os.kill(os.getpid(), signal.SIGINT)\n"


@pytest.mark.parametrize("executable", ["synth", "sim_rig"])
def test_a_signal_while_modules_are_imported_is_no_crash(executable: str, tmp_path: Path) -> None:
    (tmp_path / "rclpy.py").write_text(INTERRUPTED)
    paths = os.pathsep.join([str(tmp_path), str(CHECKOUT)])
    ended = subprocess.run(
        [sys.executable, str(CHECKOUT / "scripts" / executable)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
