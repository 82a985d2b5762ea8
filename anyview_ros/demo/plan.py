"""What a demo shall show, as its command says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from anyview_ros.errors import AnyviewError
from anyview_ros.nearest import did_you_mean
from anyview_ros.worlds.seeds import DEMO_SEED

SOURCES = ("street", "table", "motorcycle")  # by name; all others are videos


@dataclass(frozen=True)
class DemoPlan:
    """Say what to show.

    Args:
        out: folder for everything; an earlier demo's bag in it is replaced.
        seconds: of simulated time.
        model: package, by name or path.
        domain: ROS_DOMAIN_ID.
        source: a name in `SOURCES`, or the path of a video or a folder of images.
        seed: of the street or the table.
        hfov_deg: horizontal field of view of the video's camera.
        poses: file of poses of the video's camera; without it, it stands still.

    Raises:
        AnyviewError: `no_such_file` for a source that is neither; `wrong_option` for what only a
            video has.
    """

    out: Path
    seconds: float
    model: str
    domain: int
    source: str = SOURCES[0]
    seed: int = DEMO_SEED
    hfov_deg: float = 0.0
    poses: Path | None = None

    def __post_init__(self) -> None:
        of_video = {"--hfov": self.hfov_deg, "--poses": self.poses}
        given = [option for option, value in of_video.items() if value]
        if not self.plays_video and given:
            raise AnyviewError(
                "wrong_option", f"{given[0]} is for a video, and '{self.source}' is none"
            )
        if self.plays_video and not Path(self.source).exists():
            raise AnyviewError(
                "no_such_file",
                f"'{self.source}' is no source ({', '.join(SOURCES)}), and there is no such video "
                f"file or folder of images{did_you_mean(self.source, SOURCES)}",
            )

    @property
    def plays_video(self) -> bool:
        return self.source not in SOURCES

    @property
    def assumes_pose(self) -> bool:
        """Return whether nobody says where the camera is."""
        return self.plays_video and self.poses is None
