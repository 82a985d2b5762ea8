"""What the C allocator does with freed image buffers, told by the system's page faults."""

from __future__ import annotations

import subprocess
import sys

import pytest

# As a 1080p message on its way into Python: buffers of 6 MB that are written, then freed.
BUFFERS = """
import resource, sys
from anyview_ros.node.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def image():
    first = bytearray(6_220_800)
    return bytes(first)
image()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    image()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_freed_image_buffers_are_used_again() -> None:
    faults = {
        how: int(subprocess.check_output([sys.executable, "-c", BUFFERS, how]))
        for how in ("kept", "as is")
    }
    assert faults["kept"] < 100
    assert faults["as is"] > 20 * 1000  # pages of 20 images: the test can fail
