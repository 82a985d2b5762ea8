"""Tables as text: for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[object]], left: Collection[int] = (0,)) -> list[str]:
    """Return lines with columns as wide as they must be; numbers have two decimals.

    Args:
        rows: the heading first, all of them as long.
        left: columns that begin at their left; the others end at their right.
    """
    cells = [[f"{c:.2f}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    return [line(row) for row in cells]


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its heading first."""
    head, *others = (f"| {' | '.join(row)} |" for row in rows)
    return [head, "| --- " * len(rows[0]) + "|", *others]
