"""The parameters in words, for people: the table in docs/parameters.md, and config/synth.yaml.

`python -m tests.node.parameter_texts` writes both anew, from the checkout's root.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap

from anyview_ros.node.parameter import Parameter, Value
from anyview_ros.node.parameters import CAMERA_PARAMETERS, NODE_PARAMETERS

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- parameters -->", "<!-- /parameters -->"


def markdown_table() -> str:
    """Return the table of docs/parameters.md."""
    rows = [
        f"| `{prefix}{p.name}` | `{_yaml(p.default)}` | {_cell(p)} | {p.applies} | {p.meaning} |"
        for prefix, parameters in (("", NODE_PARAMETERS), ("<camera>.", CAMERA_PARAMETERS))
        for p in parameters
    ]
    return "\n".join(
        [
            "| parameter | default | range, unit | changes | meaning |",
            "| --- | --- | --- | --- | --- |",
            *rows,
        ]
    )


def yaml_file() -> str:
    """Return config/synth.yaml: every parameter at its default, a camera's as comments."""
    lines = [
        "# Parameters of the node `anyview`, all at their defaults. Copy this file, change it and",
        "# start with: ros2 launch anyview_ros synth.launch.py params_file:=my.yaml",
        "/**:",
        "  ros__parameters:",
    ]
    for p in NODE_PARAMETERS:
        lines += [*_comment(p, "    # "), f"    {p.name}: {_yaml(p.default)}"]
    lines += ["    # For each camera, here one named front:", "    # front:"]
    for p in CAMERA_PARAMETERS:
        lines += [*_comment(p, "    #   # "), f"    #   {p.name}: {_yaml(p.default)}"]
    return "\n".join(lines) + "\n"


def _cell(parameter: Parameter) -> str:
    words = ", ".join(f"`{choice}`" for choice in parameter.choices) or parameter.range
    return f"{words} {parameter.unit}".strip()


def _comment(parameter: Parameter, prefix: str) -> list[str]:
    extent = f"{parameter.range} {parameter.unit}".strip()
    text = f"{parameter.meaning}{f' ({extent})' if extent else ''}."
    return wrap(text, 100, initial_indent=prefix, subsequent_indent=prefix)


def _yaml(value: Value) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value}"


def main() -> None:
    """Write config/synth.yaml, and the table into docs/parameters.md."""
    (ROOT / "config" / "synth.yaml").write_text(yaml_file())
    page = ROOT / "docs" / "parameters.md"
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{markdown_table()}\n{END}{after}")


if __name__ == "__main__":
    main()
