"""The folder of a laboratory's results, which removes what earlier ones left in it."""

from __future__ import annotations

from pathlib import Path

from anyview_ros.errors import AnyviewError

MARK = ".anyview-chaos"
MEANING = "A laboratory of anyview chaos wrote this folder. The next one removes what it left.\n"


def take_folder(out: Path) -> None:
    """Make the folder of results, and mark it; one with files of others is left as it is.

    Raises:
        AnyviewError: `output_exists`.
    """
    out.mkdir(parents=True, exist_ok=True)
    if not (out / MARK).is_file():
        if any(out.iterdir()):
            raise AnyviewError(
                "output_exists",
                f"'{out}' holds files that no earlier run marked as its own ({MARK}); give a new "
                "or an empty folder (--out)",
            )
        (out / MARK).write_text(MEANING, encoding="utf-8")
