"""What a text may tell its reader to do, and how a check says that it does so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from anyview_ros.cli.commands import parser_of
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.node.parameters import CAMERA_PARAMETERS, NODE_PARAMETERS
from anyview_ros.packages import find_package, load_package
from tests.packages import make_package
from tests.remedies.collected import Raised

Check = Callable[[Path], object]
Remedy = tuple[str, str]  # module, words as `collect` gives them

# How a sentence begins that tells somebody to set something; other remedies (start, install, wait)
# are of the world outside.
BEGIN = r"(?:^|\(|[;:,.|]\s+|\b(?:or|and|then|perhaps|else)\s+)"
VERBS = (
    *("set", "leave", "raise", "lower", "ask for", "give", "name", "take", "choose", "use", "fix"),
    *("call again with", "continue", "pass", "export", "Export", "listen", "steer", "stamp"),
    *("send", "add", "update", "play", "train", "write", "start the node with"),
)
SETS = re.compile(rf"{BEGIN}(?:{'|'.join(VERBS)})(?![-\w])|\b(?:with|fewer|more) --\w")

CHECKS: dict[Remedy, Check] = {}
OUTSIDE: dict[Remedy, str] = {}


def does(module: str, *words: str) -> Callable[[Check], Check]:
    """Register a check that does what these words of a module say; raises where that fails."""

    def register(check: Check) -> Check:
        for remedy in ((module, phrase) for phrase in words):
            assert remedy not in CHECKS, remedy
            CHECKS[remedy] = check
        return check

    return register


def is_outside(why: str, module: str, *words: str) -> None:
    """List words that set nothing of this package, and say whose they are."""
    OUTSIDE.update(dict.fromkeys(((module, phrase) for phrase in words), why))


def is_done_by(test: str, module: str, *words: str) -> None:
    """List words that another test does: `tests/....py::test_name`, which must be there."""

    def there(folder: Path) -> None:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (Path(__file__).parents[2] / file).read_text(encoding="utf-8")

    does(module, *words)(there)


def unlisted(raised: Raised, listed: Iterable[Remedy]) -> str:
    """Return what is left of a text without its listed remedies, if that sets something."""
    rest = raised.text
    for module, words in sorted(listed, key=lambda remedy: -len(remedy[1])):
        if module == raised.module:
            rest = rest.replace(words, "")
    return rest if SETS.search(rest) else ""


def tiny(folder: Path, **changes: Any) -> Contract:
    """Return the contract of a tiny package with clips of 5 and 9 frames."""
    return load_package(make_package(folder / "tiny", **changes)).contract


def shipped() -> Contract:
    """Return the contract of the model that a node has without a parameter."""
    return load_package(find_package(str(parameter("model").default))).contract


def parameter(name: str) -> Any:
    """Return the declaration of a parameter; `CAMERA.name` is of a source camera."""
    camera, _, last = name.rpartition(".")
    (found,) = [p for p in (CAMERA_PARAMETERS if camera else NODE_PARAMETERS) if p.name == last]
    return found


def takes(name: str, value: Any) -> None:
    """A parameter exists, and this is one of its values."""
    declared = parameter(name)
    assert declared.allowed(name, value) == value
    assert isinstance(value, type(declared.default))
    if declared.limits:
        assert declared.limits[0] <= value <= declared.limits[1]


def can_be_raised(name: str) -> None:
    assert parameter(name).limits[1] > parameter(name).default


def can_be_lowered(name: str) -> None:
    assert parameter(name).limits[0] < parameter(name).default


def parsed(command: str, *arguments: str) -> Any:
    """Parse a command line of `anyview`; an unknown option or value ends the test."""
    return parser_of(command).parse_args(arguments)


def code_of(action: Any, *arguments: Any) -> str:
    """Return the code under which something is refused, empty where it is not."""
    try:
        action(*arguments)
    except AnyviewError as error:
        return error.code
    return ""
