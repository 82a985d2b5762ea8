"""Every error and finding of the package with its words, read from the source and not run.

What a text takes from elsewhere is followed where it is words: constants, also of other modules,
local names, functions that return words, and parameters, by what callers pass. The rest is `{}`;
where there are several, all stand in the text, apart by ` | `.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anyview_ros

PACKAGE = Path(anyview_ros.__path__[0])
TEXTS = {"AnyviewError": 1, "Problem": 1, "Finding": 2}  # which argument is the text
UNKNOWN, APART = "{}", " | "
DEPTH = 10

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Raised:
    """An error, problem or finding at a place of the source."""

    module: str
    line: int
    code: str
    text: str


@cache
def modules() -> list[str]:
    files = (file.relative_to(PACKAGE).with_suffix("") for file in PACKAGE.rglob("*.py"))
    return sorted(".".join(file.parts) for file in files if file.name != "__init__")


@cache
def collect() -> list[Raised]:
    """Return all of them, in order of module and line."""
    return [raised for module in modules() for raised in reader(module).raised()]


@cache
def reader(module: str) -> Reader:
    return Reader(module)


@cache
def nodes(root: ast.AST) -> list[ast.AST]:
    """Everything below a node, as `ast.walk`, which takes most of the time."""
    return list(ast.walk(root))


class Reader:
    """Reads one module."""

    def __init__(self, module: str) -> None:
        self._module = module
        source = (PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        self._tree = ast.parse(source)
        self._functions = [node for node in nodes(self._tree) if isinstance(node, Function)]
        self._calls = [node for node in nodes(self._tree) if isinstance(node, ast.Call)]

    def raised(self) -> Iterator[Raised]:
        for call in self._calls:
            place = TEXTS.get(_name(call.func))
            if place is not None and len(call.args) > place:
                code, text = self._words(call.args[0]), self._words(call.args[place])
                yield Raised(self._module, call.lineno, code, text)

    def constant(self, name: str, depth: int) -> str:
        """Return the words of a constant of this module."""
        for node in self._tree.body:
            if isinstance(node, ast.Assign) and name in map(_name, node.targets):
                return self._words(node.value, depth)
        return UNKNOWN

    def _words(self, node: ast.expr, depth: int = DEPTH) -> str:
        if not depth:
            return UNKNOWN
        depth -= 1
        match node:
            case ast.Constant(value=str() as text):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(self._words(part, depth) for part in parts)
            case ast.FormattedValue(value=value):
                return self._words(value, depth)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._words(left, depth) + self._words(right, depth)
            case ast.IfExp(body=one, orelse=other):
                return self._several([one, other], depth)
            case ast.BoolOp(values=values):
                return self._several(values, depth)
            case ast.Name(id=name):
                return self._named(name, node, depth)
            case ast.Call(func=function):
                return self._returned(function, depth)
        return UNKNOWN

    def _several(self, nodes: list[ast.expr], depth: int) -> str:
        texts = dict.fromkeys(self._words(node, depth) for node in nodes)
        return APART.join(texts) or UNKNOWN

    def _named(self, name: str, node: ast.expr, depth: int) -> str:
        """What a name can hold in the function around it, or in its module."""
        for function in self._around(node):
            found = [
                n.value
                for n in nodes(function)
                if isinstance(n, ast.Assign) and name in map(_name, n.targets)
            ]
            names = [argument.arg for argument in function.args.args if argument.arg != "self"]
            if name in names:
                found += self._passed(function.name, names.index(name), name)
            if found:
                return self._several(found, depth)
        for imported in self._tree.body:
            if isinstance(imported, ast.ImportFrom) and name in [a.name for a in imported.names]:
                return _imported(str(imported.module), name, depth)
        return self.constant(name, depth)

    def _around(self, node: ast.expr) -> list[Function]:
        """The functions that hold a node, the innermost first."""
        inside = [f for f in self._functions if f.lineno <= node.lineno <= (f.end_lineno or 0)]
        return sorted(inside, key=lambda function: -function.lineno)

    def _passed(self, function: str, place: int, name: str) -> list[ast.expr]:
        """What callers in this module pass as one of a function's arguments."""
        found = []
        for call in self._calls:
            if _name(call.func) == function:
                found += call.args[place : place + 1]
                found += [keyword.value for keyword in call.keywords if keyword.arg == name]
        return found

    def _returned(self, called: ast.expr, depth: int) -> str:
        """What a function of this module returns; a method of words may change little."""
        for function in self._functions:
            if function.name == _name(called):
                returns = [n.value for n in nodes(function) if isinstance(n, ast.Return)]
                return self._several([value for value in returns if value], depth)
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.JoinedStr):
            return self._words(called.value, depth)
        return UNKNOWN


def _imported(module: str, name: str, depth: int) -> str:
    own = module.removeprefix("anyview_ros.")
    return reader(own).constant(name, depth) if own in modules() else UNKNOWN


def _name(node: ast.AST) -> str:
    return str(getattr(node, "id", getattr(node, "attr", "")))
