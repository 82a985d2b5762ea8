"""Photographs for worlds, read from where installed packages keep them; none of them is ours."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.whole_file import whole_file
from anyview_ros.worlds.photograph_packages import PACKAGES, find_package, is_held_out
from anyview_ros.worlds.render.textures import LUMA, SIDE, SKY_ROWS, SKY_TEXELS

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Material = tuple[Bytes, float]  # mip levels, and metres a repeat

CUTS, CUT_FOV = 6, np.pi / 3  # of a panorama: around the horizon, and how wide each is
TRIPOD, PATCH = 1.6, 2.4  # metres: height of a panorama's camera, and a piece of its ground;
SHRINK = 0.5  # the piece is laid smaller than it was, or its few texels would look soft
CUT_KEY, SKY_KEY = 0.25, 0.45  # linear light that the median of a picture is brought to
PACKED = ".npz"
WHITE = 2.0  # linear light that becomes 255


@dataclass(frozen=True, eq=False)
class Photographs:
    """Pictures as the renderer wants them.

    Args:
        names: of the N textures: laid materials, materials that grew, then pictures.
        texels: (n, 3) uint8, laid out as `textures` says.
        laid: number of materials that were laid, the first ones; the next ones grew.
        metres: of all M materials, what one repeat is wide; N - M pictures have none.
        sky_names: of the K skies, the last one first among the texels.
        digest: sha256 of all of it.
    """

    names: tuple[str, ...]
    texels: Bytes
    laid: int
    metres: tuple[float, ...]
    sky_names: tuple[str, ...]
    digest: str

    def sky(self, index: int) -> Bytes:
        """(SKY_ROWS, 2 * SKY_ROWS, 3)"""
        start = len(self.texels) - (index + 1) * SKY_TEXELS
        return self.texels[start : start + SKY_TEXELS].reshape(SKY_ROWS, 2 * SKY_ROWS, 3)

    def pack(self, file: Path) -> None:
        """Write all of it to one file, for machines that lack the packages."""
        with whole_file(file) as part:
            np.savez_compressed(part, **asdict(self))

    @classmethod
    def unpack(cls, file: Path) -> Photographs:
        """Read what `pack` wrote.

        Raises:
            AnyviewError: `missing_photographs` for another file.
        """
        try:
            with np.load(file) as arrays:
                names, sky_names = (tuple(arrays[k].tolist()) for k in ("names", "sky_names"))
                metres, laid = tuple(arrays["metres"].tolist()), int(arrays["laid"])
                texels, digest = arrays["texels"], str(arrays["digest"])
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise AnyviewError(
                "missing_photographs",
                f"{file} holds no packed photographs ({error}); write it by "
                "'python -m anyview_ros.worlds.pack_photographs FILE.npz' where the packages are",
            ) from None
        return cls(names, texels, laid, metres, sky_names, digest)


@lru_cache(maxsize=4)
def read_photographs(packages: tuple[str, ...], held_out: bool = False) -> Photographs:
    """Return the pictures of packages that training may take, or the held-out ones.

    Args:
        packages: or one file that `Photographs.pack` wrote, by a name that ends in .npz.

    Raises:
        AnyviewError: `unknown_photographs`; `missing_photographs` when a package is not installed.
    """
    if len(packages) == 1 and packages[0].endswith(PACKED):
        return Photographs.unpack(Path(packages[0]))
    laid: dict[str, Material] = {}
    grown: dict[str, Material] = {}
    pictures: dict[str, Bytes] = {}
    skies: dict[str, Bytes] = {}
    for name in packages:
        package, folder = PACKAGES[name], find_package(name)
        for stem in _chosen(package.materials, held_out):
            group = grown if stem in package.grown else laid
            picture = _read_picture(folder, stem, package.suffix)
            metres = package.materials[stem] / 2
            for k, quarter in enumerate(_quarters(picture)):
                group[f"{name}/{stem}:{k}"] = mip_levels(quarter), metres
        for stem in _chosen(package.pictures, held_out):
            pictures[f"{name}/{stem}"] = mip_levels(_read_picture(folder, stem, package.suffix))
        for stem in _chosen(package.panoramas, held_out):
            group = grown if stem in package.grown else laid
            panorama = _read_panorama(folder, stem, package.suffix)
            for k in range(CUTS):
                cut = developed(_cut(panorama, 2 * np.pi * k / CUTS), CUT_KEY)
                pictures[f"{name}/{stem}:{k}"] = mip_levels(cut)
            for k in package.grounds.get(stem, ()):
                ground = developed(_ground(panorama, 2 * np.pi * k / CUTS), CUT_KEY)
                group[f"{name}/{stem} ground:{k}"] = mip_levels(ground), SHRINK * PATCH
            if stem in package.skies:
                skies[f"{name}/{stem}"] = _sky(panorama)
    if not laid or not grown:
        raise AnyviewError(
            "missing_photographs",
            f"need materials that were laid and some that grew, got {len(laid)} and {len(grown)} "
            f"from {', '.join(packages)}; name more packages of {', '.join(PACKAGES)}",
        )
    materials = laid | grown
    textures = [texture for texture, _ in materials.values()] + list(pictures.values())
    names = (*materials, *pictures)
    backwards = [sky.reshape(-1, 3) for sky in reversed(skies.values())]
    texels = np.concatenate([*textures, *backwards])
    digest = hashlib.sha256("\n".join((*names, *skies)).encode() + texels.tobytes())
    return Photographs(
        names,
        texels,
        len(laid),
        tuple(metres for _, metres in materials.values()),
        tuple(skies),
        digest.hexdigest(),
    )


def _chosen(stems: Iterable[str], held_out: bool) -> list[str]:
    return [stem for stem in sorted(stems) if is_held_out(stem) == held_out]


def mip_levels(picture: Bytes) -> Bytes:
    """(TEXELS, 3) uint8: the picture at SIDE x SIDE and halved down to one texel, in linear light.

    Args:
        picture: (H, W, 3) uint8; its middle square is taken.
    """
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    linear = np.square(picture[top : top + side, left : left + side] / np.float32(255))
    levels: list[Bytes] = []
    while side := SIDE >> len(levels):
        linear = _resized(linear, side, side)
        levels.append(_bytes(linear).reshape(-1, 3))
    return np.concatenate(levels)


def developed(linear: Floats, key: float, metered: Floats | None = None) -> Bytes:
    """Bytes of linear light, exposed so that the median of what is metered becomes `key`.

    The tone curve is x (1 + x / WHITE^2) / (1 + x), Reinhard et al. 2002, equation 4.
    """
    middle = float(np.median((linear if metered is None else metered) @ np.array(LUMA)))
    x = linear * np.float32(key / (1 - key) / max(middle, 1e-6))
    return _bytes(x * (1 + x / WHITE**2) / (1 + x))


def _bytes(linear: Floats) -> Bytes:
    return np.asarray(np.rint(255 * np.sqrt(linear.clip(0, 1))), np.uint8)


def _resized(picture: Floats, height: int, width: int) -> Floats:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


def _read_picture(folder: Path, stem: str, suffix: str) -> Bytes:
    picture = cv2.imread(str(folder / f"{stem}{suffix}"), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise AnyviewError("missing_photographs", f"cannot read {folder / stem}{suffix}")
    return np.asarray(picture, np.uint8)


def _quarters(picture: Bytes) -> Iterator[Bytes]:
    """The four quarters: a material looks the same all over, and so keeps its grain."""
    height, width = (size // 2 for size in picture.shape[:2])
    for y in (0, height):
        for x in (0, width):
            yield picture[y : y + height, x : x + width]


def _read_panorama(folder: Path, stem: str, suffix: str) -> Floats:
    """(H, 2 H, 3) linear light, upwards first."""
    file = folder / f"{stem}{suffix}"
    if not file.is_file():
        raise AnyviewError("missing_photographs", f"cannot read {file}")
    content = file.read_bytes()
    if suffix.endswith(".js"):  # export default 'data:application/exr;base64,...'
        content = base64.b64decode(content.split(b"base64,")[1].split(b"'")[0])
    import av  # not needed where photographs come from a packed file

    # OpenCV's wheels read no OpenEXR, and to_ndarray knows no half floats.
    with av.open(io.BytesIO(content), "r", format="exr_pipe") as container:
        frame = next(container.decode(video=0))
    kind = np.float16 if "f16" in frame.format.name else np.float32
    rows = [
        np.frombuffer(memoryview(plane), kind).reshape(frame.height, -1) for plane in frame.planes
    ]
    green, blue, red = (plane[:, : frame.width].astype(np.float32) for plane in rows)
    linear = np.stack([red, green, blue], axis=-1)
    # Around the sun some channels have overflowed and rung: there all is as bright as can be.
    near_sun = cv2.dilate((linear.max(axis=-1) > 1000).astype(np.uint8), np.ones((11, 11)))
    overflowed = (near_sun > 0) & ~(linear.min(axis=-1) > 1e-4)
    return np.asarray(np.where(overflowed[..., None], 65504, linear).clip(0, 65504), np.float32)


def _cut(panorama: Floats, azimuth: float) -> Floats:
    """(SIDE, SIDE, 3) of a camera with a field of view of CUT_FOV that looks at the horizon."""
    down, right = np.tan(CUT_FOV / 2) * _grid()
    return _looked_up(panorama, azimuth, 1.0, right, down)


def _ground(panorama: Floats, azimuth: float) -> Floats:
    """(SIDE, SIDE, 3) of the ground from straight above: a square beside the tripod."""
    back, right = PATCH / 2 * _grid()
    return _looked_up(panorama, azimuth, TRIPOD - back, right, TRIPOD)


def _grid() -> NDArray[np.float64]:
    """(2, SIDE, SIDE): how far down and how far right in a square picture, from -1 to 1."""
    return np.asarray((np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE * 2 - 1)


def _looked_up(
    panorama: Floats, azimuth: float, forward: ArrayLike, right: ArrayLike, down: ArrayLike
) -> Floats:
    """The panorama in the direction of points around a camera that looks at an azimuth."""
    height, width = panorama.shape[:2]
    column = (np.arctan2(right, forward) + azimuth) / (2 * np.pi) * width - 0.5
    row = (0.5 + np.arctan2(down, np.hypot(forward, right)) / np.pi) * height - 0.5
    places = column.astype(np.float32), row.astype(np.float32)
    wrap = cv2.BORDER_WRAP
    return np.asarray(cv2.remap(panorama, *places, cv2.INTER_LINEAR, borderMode=wrap), np.float32)


def _sky(panorama: Floats) -> Bytes:
    small = _resized(panorama, SKY_ROWS, 2 * SKY_ROWS)
    return developed(small, SKY_KEY, small[: SKY_ROWS // 2])
