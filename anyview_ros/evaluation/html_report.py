"""A page of a run that opens from disk: tables, contact sheet, every episode's video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from anyview_ros.evaluation.results import FIGURES, OVERALL, Table, cell, rows
from anyview_ros.evaluation.run import EPISODES
from anyview_ros.whole_file import whole_file

PAGE, SHEET = "index.html", "contact_sheet.png"
STYLE = """
:root { color-scheme: dark; }
body { margin: 2rem auto; max-width: 1560px; padding: 0 1.5rem; background: #18181c; color: #ebebeb;
  font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p, li, summary { color: #b9b9c2; margin: .3rem 0; } .failed { color: #ff9d8a; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .8rem; text-align: right; border-bottom: 1px solid #303038; }
th:first-child, td:first-child { text-align: left; white-space: nowrap; }
th { color: #b9b9c2; font-weight: 600; }
tr.model td { color: #fff; font-weight: 600; background: #23232b; }
img.sheet { max-width: 100%; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(560px, 1fr)); gap: 1rem; }
figure { margin: 0; background: #202027; border-radius: 6px; overflow: hidden; }
video { display: block; width: 100%; }
figcaption { padding: .35rem .7rem .5rem; font-size: .85rem; color: #b9b9c2; }
"""
# Videos play while they are in view; their controls show under the pointer.
SCRIPT = """
const seen = new IntersectionObserver(all => all.forEach(
  one => one.isIntersecting ? one.target.play() : one.target.pause()));
for (const video of document.querySelectorAll('video')) {
  seen.observe(video);
  video.onmouseenter = () => video.controls = true;
  video.onmouseleave = () => video.controls = false;
}
"""


def write_page(out: Path, content: Mapping[str, Any]) -> None:
    """Write index.html beside the results that it shows; it fetches nothing from elsewhere."""
    title = f"AnyViewBench: {content['model']['name']}"
    body = "\n".join([*_head(title, content), *_tables(content), *_sheet(out), *_videos(content)])
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n{body}\n"
        f"<script>{SCRIPT}</script></body></html>\n"
    )
    with whole_file(out / PAGE) as file:
        file.write_text(page)


def _head(title: str, content: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    suite = ", ".join(f"{k} {_words(v)}" for k, v in content["suite"].items())
    speeds = ", ".join(f"{name} ({steps} steps)" for name, steps in content["speeds"].items())
    yield f"<p>{escape(suite)}</p>"
    yield (
        f"<p>{escape(speeds)}, seed {content['seed']}, {len(content['episodes'])} episodes; "
        f"perceptual distance: {escape(content['perceptual'])}; "
        f"model {content['model']['sha256'][:12]}</p>"
    )
    if content["failed"]:
        yield f'<h2 class="failed">{len(content["failed"])} episodes failed</h2><ul>'
        for f in content["failed"]:
            text = f"{f['name']}: [{f['code']}] {f['message']}"
            yield f'<li class="failed">{escape(text)}</li>'
        yield "</ul>"
    if content["notes"]:
        yield "<h2>Not reached</h2><ul>"
        yield from (f"<li>{escape(note)}</li>" for note in content["notes"])
        yield "</ul>"


def _tables(content: Mapping[str, Any]) -> Iterator[str]:
    tables: dict[str, Table] = dict(content["groups"])
    if len(tables) > 1:
        tables[OVERALL] = content["mean"][OVERALL]
    for name, table in tables.items():
        yield f"<h2>{escape(name)}</h2>"
        yield from _table(table, content["speeds"])
    yield "<details><summary>Every split</summary>"
    for name, table in content["splits"].items():
        yield f"<h2>{escape(name)}</h2>"
        yield from _table(table, content["speeds"])
    yield "</details>"


def _table(table: Table, speeds: Iterable[str]) -> Iterator[str]:
    headings, *methods = rows("", table)
    yield f'<div class="wide"><table><tr>{"".join(f"<th>{h}</th>" for h in headings)}</tr>'
    for method, *figures in methods:
        cells = "".join(f"<td>{figure}</td>" for figure in figures)
        mark = ' class="model"' if method in speeds else ""
        yield f"<tr{mark}><td>{escape(method)}</td>{cells}</tr>"
    yield "</table></div>"


def _sheet(out: Path) -> Iterator[str]:
    if (out / SHEET).is_file():
        yield f'<h2>Middle frames</h2><img class="sheet" src="{SHEET}" alt="contact sheet">'


def _videos(content: Mapping[str, Any]) -> Iterator[str]:
    model = next(iter(content["speeds"]))
    for split in content["splits"]:
        yield f'<h2>{escape(split)}</h2><div class="grid">'
        for episode in (e for e in content["episodes"] if e["split"] == split):
            row = episode["rows"][model]
            figures = ", ".join(f"{FIGURES[f]} {cell(f, row.get(f))}" for f in ("psnr", "ssim"))
            file = escape(f"{EPISODES}/{split}/{episode['name']}.mp4", quote=True)
            yield (
                f'<figure><video src="{file}" muted loop playsinline preload="metadata">'
                f"</video><figcaption>{escape(episode['name'])}: {figures}</figcaption></figure>"
            )
        yield "</div>"


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
