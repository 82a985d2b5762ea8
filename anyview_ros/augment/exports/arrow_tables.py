"""Tables as files, by pyarrow, which is loaded only where a format consists of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

PANDAS_INDEX = "__index_level_0__"  # column of an index without a name


def table(columns: Mapping[str, Any], types: Mapping[str, Any] | None = None) -> pyarrow.Table:
    """Return a table.

    Args:
        columns: sequences of equal length, by name.
        types: of columns whose values do not tell them: names of numbers ("float32"), or a pair
            (name, n) for rows of n numbers.
    """
    import pyarrow

    arrays = [
        pyarrow.array(values, _type((types or {}).get(name))) for name, values in columns.items()
    ]
    return pyarrow.table(arrays, names=list(columns))


def write_parquet(
    file: Path, columns: Mapping[str, Any], types: Mapping[str, Any] | None = None
) -> None:
    """Write a table; its folder is made."""
    from pyarrow import parquet

    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table(columns, types), file)


def write_indexed_parquet(file: Path, index: Sequence[str], columns: Mapping[str, Any]) -> None:
    """Write a table of integers that pandas reads with these texts as its index."""
    from pyarrow import parquet

    found = table({**columns, PANDAS_INDEX: list(index)})
    told = [_pandas_column(name, name, "int64", "int64") for name in columns]
    told.append(_pandas_column(None, PANDAS_INDEX, "unicode", "object"))
    pandas = {
        "index_columns": [PANDAS_INDEX],
        "column_indexes": [],
        "columns": told,
        "pandas_version": "2.0.0",
    }
    found = found.replace_schema_metadata({"pandas": json.dumps(pandas)})
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(found, file)


def read_parquet(file: Path, columns: Sequence[str] | None = None) -> dict[str, list[Any]]:
    """Return the columns of a file, all or those named."""
    from pyarrow import parquet

    found: dict[str, list[Any]] = parquet.read_table(file, columns=columns).to_pydict()
    return found


def extend_parquet(file: Path, columns: Mapping[str, Any]) -> None:
    """Add columns to a file; what it has stays."""
    from pyarrow import parquet

    found = parquet.read_table(file)
    for name, column in zip(columns, table(columns).columns, strict=True):
        found = found.append_column(name, column)
    parquet.write_table(found, file)


def write_feather(file: Path, columns: Mapping[str, Any]) -> None:
    """Write a table; its folder is made."""
    from pyarrow import feather

    file.parent.mkdir(parents=True, exist_ok=True)
    feather.write_feather(table(columns), str(file), compression="uncompressed")


def _type(name: str | tuple[str, int] | None) -> Any:
    import pyarrow

    if isinstance(name, tuple):
        kind, length = name
        return pyarrow.list_(getattr(pyarrow, kind)(), length)
    return None if name is None else getattr(pyarrow, name)()


def _pandas_column(name: str | None, field: str, kind: str, numpy: str) -> dict[str, Any]:
    return {
        "name": name,
        "field_name": field,
        "pandas_type": kind,
        "numpy_type": numpy,
        "metadata": None,
    }
