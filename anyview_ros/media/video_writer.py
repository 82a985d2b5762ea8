"""Write H.264 video that browsers play."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

TICKS_PER_SECOND = 90_000
NOMINAL_RATE = 10  # every frame is shown at its own time


class VideoWriter:
    """An mp4 file whose frames are shown at their own times.

    yuv420p, because browsers play no other chroma of H.264, and the index in front, so that they
    start before all of it is loaded. Odd sizes lose their last row or column.

    Args:
        size: (width, height).
        comment: what the file says of itself, as `provenance.WORDS` where frames are synthetic.
        rate: frames a second, a hint in the file's header.
        keyframes: every how-manieth frame can be read without those before it; 0 = as few as the
            encoder takes.
    """

    def __init__(
        self,
        file: Path,
        size: tuple[int, int],
        comment: str = "",
        rate: int = NOMINAL_RATE,
        keyframes: int = 0,
    ) -> None:
        self._width, self._height = size[0] // 2 * 2, size[1] // 2 * 2
        self._file = file
        self._container = av.open(str(file), "w", options={"movflags": "+faststart"})
        if comment:
            self._container.metadata["comment"] = comment
        self._stream = self._container.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height = self._width, self._height
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS_PER_SECOND)
        # With its macroblock tree x264 makes other bytes of the same frames, now and then.
        self._stream.options = {"crf": "18", "preset": "fast", "x264-params": "mbtree=0"}
        if keyframes:
            self._stream.options |= {"g": str(keyframes), "bf": "0"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except BaseException:
            self._file.unlink(missing_ok=True)
            raise
        if kind is not None:
            self._file.unlink(missing_ok=True)  # it would stop in the midst

    def write(self, rgb: NDArray[np.uint8], time_ns: int) -> None:
        """Add an (H, W, 3) image; times increase and start near 0."""
        even = np.ascontiguousarray(rgb[: self._height, : self._width])
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        frame.pts = round(time_ns * TICKS_PER_SECOND / 1e9)
        frame.time_base = Fraction(1, TICKS_PER_SECOND)
        self._container.mux(self._stream.encode(frame))
