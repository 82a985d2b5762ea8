"""Parts of a package's card that commands write: what lies between two comments."""

from __future__ import annotations

import re
from collections.abc import Iterable


def with_section(text: str, name: str, title: str, lines: Iterable[str]) -> str:
    """Return the card with `lines` between `<!-- name -->` and `<!-- /name -->`.

    Where it has no such comments, they are added at its end below the heading `title`.
    """
    if f"<!-- {name} -->" not in text:
        text = f"{text.rstrip()}\n\n## {title}\n\n<!-- {name} -->\n<!-- /{name} -->\n"
    between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    body = "\n".join(lines)
    return between.sub(lambda found: f"{found[1]}{body}\n{found[2]}", text)
