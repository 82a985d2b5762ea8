"""Pictures that hold synthesized frames say so, in words and as XMP that any reader finds."""

import xml.etree.ElementTree as ElementTree

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from anyview_ros.media.provenance import MIXED, SYNTHETIC, WORDS, save_picture
from anyview_ros.media.video_writer import VideoWriter

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
EXTENSION = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"


def source_type(packet: str) -> str:
    """By an XML reader that knows nothing of how the packet was made."""
    attributes = [e.attrib for e in ElementTree.fromstring(packet.encode()).iter()]
    (found,) = [a[EXTENSION] for a in attributes if EXTENSION in a]
    return found


@pytest.mark.parametrize("kind", [SYNTHETIC, MIXED])
def test_png_keeps_its_pixels_and_says_what_it_is(tmp_path, kind):
    save_picture(IMAGE, tmp_path / "a.png", kind)
    with Pillow.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), IMAGE)
        assert picture.text["Comment"] == WORDS[kind]
        packet = picture.text["XML:com.adobe.xmp"]
    assert source_type(packet) == f"http://cv.iptc.org/newscodes/digitalsourcetype/{kind}"


@pytest.mark.parametrize("suffix", ["jpg", "JPEG"])
def test_jpeg_says_what_it_is(tmp_path, suffix):
    save_picture(np.kron(IMAGE, np.ones((8, 8, 1), np.uint8)), tmp_path / f"a.{suffix}", SYNTHETIC)
    with Pillow.open(tmp_path / f"a.{suffix}") as picture:
        assert picture.format == "JPEG"
        assert picture.size == (128, 96)
        assert picture.info["comment"] == WORDS[SYNTHETIC].encode()
        (packet,) = [s for name, s in picture.applist if s.startswith(b"http://ns.adobe.com/xap")]
    assert source_type(packet.partition(b"\0")[2].decode()).endswith(f"/{SYNTHETIC}")


def test_video_says_what_it_is_only_where_it_is(tmp_path):
    for name, comment in (("plain", ""), ("made", WORDS[MIXED])):
        with VideoWriter(tmp_path / f"{name}.mp4", (16, 12), comment) as video:
            video.write(IMAGE, 0)
        with av.open(str(tmp_path / f"{name}.mp4")) as container:
            assert container.metadata.get("comment", "") == comment
