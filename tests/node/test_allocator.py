"""What the C allocator does with freed memory, told by the system and by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from anyview_ros.node.allocator import ONE_HEAP

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


# A clip of 1280x960, as a callback has it: what is freed behind small things that stay is a hole.
CLIP = """
from pathlib import Path
from anyview_ros.node import allocator
allocator.LARGEST_BUFFER = LARGEST or allocator.LARGEST_BUFFER
allocator.keep_freed_memory()
clip = bytes([1]) * (9 * 960 * 1280 * 3)
stays = bytes([1]) * 60_000
del clip
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) // 1000 for line in lines if line.startswith("RssAnon")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_the_frames_of_a_clip_leave_no_hole() -> None:
    def held(largest: int) -> int:
        code = CLIP.replace("LARGEST or", f"{largest} or")
        return int(subprocess.check_output([sys.executable, "-c", code]))

    assert held(0) < 20  # MB
    assert held(32 << 20) > 30  # the test can fail


# Threads that free what they took at one time each leave it in a heap.
THREADS = """
import ctypes, sys, threading
from anyview_ros.node.allocator import share_heap
if sys.argv[1] == "shared":
    assert share_heap()
if sys.argv[1] == "node":
    from anyview_ros.node import node_process
    try:
        node_process.main(["node", "--ros-args", "-p"])
    except SystemExit as refused:
        assert "invalid_ros_arguments" in str(refused)
together = threading.Barrier(6)
def work():
    together.wait()
    for _ in range(50):
        b"".join([bytes(60_000)] * 2)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
told = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(told))
libc.fflush(ctypes.c_void_p(told))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_threads_share_one_heap() -> None:
    def heaps(how: str, environment: Mapping[str, str]) -> int:
        told = subprocess.check_output(
            [sys.executable, "-c", THREADS, how], env={**os.environ, **environment}, text=True
        )
        return told.count("<heap nr=")

    assert heaps("shared", {}) == 1
    assert heaps("node", {}) == 1
    assert heaps("as is", ONE_HEAP) == 1
    assert heaps("as is", {}) > 1  # the test can fail


# Freed between two that stay: the end of the heap, which glibc gives back itself, is not free.
FREED = """
from pathlib import Path
from anyview_ros.node.allocator import give_back_freed_memory
def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1000 for line in lines if line.startswith("RssAnon"))
blocks = [bytes([1]) * 60_000 for _ in range(2000)]
del blocks[:-1]
print(held())
give_back_freed_memory()
print(held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a function of glibc")
def test_freed_memory_is_given_back() -> None:
    before, after = map(int, subprocess.check_output([sys.executable, "-c", FREED]).split())
    assert before > 110  # MB: the test can fail
    assert after < before - 100
