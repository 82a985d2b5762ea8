"""`python -m anyview_ros.demo.child PARENT MODULE ...`: a module whose process ends with PARENT.

Even where that is killed, and can end nobody. The kernel sees to it (prctl(2), PR_SET_PDEATHSIG);
a process asks for itself, since nothing is safe between fork and exec beside threads of DDS.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run the module as `python -m MODULE ...`."""
    parent, module, *arguments = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the module takes it: see quiet_interrupt
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it ended before that
        return
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
