"""Files that show synthesized frames say so themselves, in words and in the terms of the IPTC.

Digital source types: https://cv.iptc.org/newscodes/digitalsourcetype/, as viewers and archives
read them from XMP. Pictures carry XMP and a plain comment, videos and bags words alone.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from anyview_ros.whole_file import whole_file

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SYNTHETIC = "trainedAlgorithmicMedia"  # made by a model
MIXED = "compositeWithTrainedAlgorithmicMedia"  # beside what a camera or a renderer made
WORDS = {
    SYNTHETIC: "Synthetic: made by a generative model (AnyView for ROS 2), not by a camera.",
    MIXED: "Contains synthetic images: made by a generative model (AnyView for ROS 2), not by a "
    "camera; see the labels.",
}
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    Iptc4xmpExt:DigitalSourceType="{vocabulary}{source_type}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
APP1 = b"\xff\xe1"
JPEG_QUALITY = 88
BAG_KEY = "anyview_synthetic"  # in a bag's metadata.yaml, under custom_data


def save_picture(image: NDArray[np.uint8], file: Path, source_type: str) -> None:
    """Write (H, W, 3) as PNG or JPEG, by the file's suffix, with what it shows in its metadata.

    Args:
        source_type: SYNTHETIC or MIXED.
    """
    with whole_file(file) as whole:
        if file.suffix.lower() in (".jpg", ".jpeg"):
            whole.write_bytes(jpeg(image, source_type))
            return
        information = PngInfo()
        information.add_text("Comment", WORDS[source_type])
        information.add_itxt("XML:com.adobe.xmp", _xmp(source_type))
        Pillow.fromarray(image).save(whole, "png", pnginfo=information)


def jpeg(image: NDArray[np.uint8], source_type: str, quality: int = JPEG_QUALITY) -> bytes:
    """(H, W, 3) as JPEG that says what it shows."""
    packet = XMP_SEGMENT + _xmp(source_type).encode()
    # As `extra`: Pillow before 11.0 has no argument for XMP in a JPEG, and ignores one.
    segment = APP1 + (len(packet) + 2).to_bytes(2, "big") + packet
    file = io.BytesIO()
    words = WORDS[source_type]
    Pillow.fromarray(image).save(file, "jpeg", quality=quality, comment=words, extra=segment)
    return file.getvalue()


def _xmp(source_type: str) -> str:
    return XMP.format(vocabulary=VOCABULARY, source_type=source_type)
