"""The documents as a site: `python -m sphinx -W --keep-going -c docs . build/docs`.

The source folder is the checkout, so that links between documents are the same here and on GitHub.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

PACKAGE = ElementTree.parse(Path(__file__).parents[1] / "package.xml").getroot()

project = "anyview_ros"
release = version = PACKAGE.findtext("version") or ""
copyright = "the authors of anyview_ros, Apache-2.0"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "QUALITY_DECLARATION.md",
    "SECURITY.md",
    "docs/*.md",
    "docs/tutorials/*.md",
    "benchmarks/RESULTS.md",
    "models/*/README.md",
    "tests/golden/README.md",
]
exclude_patterns = ["docs/status.md"]
html_theme = "furo"
html_title = f"anyview_ros {release}"
myst_heading_anchors = 4
