"""What a processor returns, and how the results of eight processors become the rows of an engine's table.

A processor works on many points (symbol and session) at once: its arrays have one element per point, NaN where a value
is unknown. Flags are 0 and 1, labels are positions in their enumeration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnosis.reasons import REASONS
from gnosis.tables import TABLES

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ProcessorResult:
    """Values of one processor at every point.

    Attributes
    ----------
    values
        By column of the processor's part of the table: float64 with NaN where unknown, flags as 0 and 1, labels as
        their position in the enumeration, instants as microseconds since 1970 UTC; lists as a Polars series.
    confidence
        Quality of the data in [0, 1], 0 where there is no output. It never rises when input rows are removed.
    reasons
        By reason code, where it applies.
    is_proxy
        True where a named proxy stands in for the preferred input.
    """

    values: Mapping[str, Floats | pl.Series]
    confidence: Floats
    reasons: Mapping[str, Bools] = field(default_factory=dict)
    is_proxy: Bools | None = None


def joined_reasons(reasons: Mapping[str, Bools], n: int) -> pl.Series:
    """Return the codes that apply to each of n points, joined by ',' in the order of the registry.

    Raises
    ------
    ValueError
        When a code does not exist.

    Examples
    --------
    >>> joined_reasons({"NO_BOOK": np.array([True, False]), "NO_CHAIN": np.array([True, True])}, 2).to_list()
    ['NO_CHAIN,NO_BOOK', 'NO_CHAIN']
    """
    if unknown := set(reasons) - set(REASONS):
        raise ValueError(f"expected reason codes out of {list(REASONS)}, found {sorted(unknown)}")
    given = [code for code in REASONS if code in reasons]
    bits = np.zeros(n, dtype=np.int64)
    for bit, code in enumerate(given):
        bits |= np.asarray(reasons[code], dtype=np.int64) << bit
    distinct, which = np.unique(bits, return_inverse=True)
    texts = [",".join(code for bit, code in enumerate(given) if mask >> bit & 1) for mask in distinct.tolist()]
    if len(texts) == 1:
        return pl.Series([texts[0]], dtype=pl.String).new_from_index(0, n)
    return pl.Series(texts, dtype=pl.String)[which]


def united_reasons(results: Mapping[str, ProcessorResult]) -> dict[str, Bools]:
    """Return where any processor gives a code."""
    united: dict[str, Bools] = {}
    for result in results.values():
        for code, where in result.reasons.items():
            united[code] = united[code] | where if code in united else np.asarray(where, dtype=bool)
    return united


def engine_confidence(results: Mapping[str, ProcessorResult], weights: Mapping[str, float] | None = None) -> Floats:
    """Return the weighted sum of the processors' confidences, equal weights by default.

    Raises
    ------
    ValueError
        When the weights do not name the processors, or do not sum to 1.

    Examples
    --------
    >>> both = {name: ProcessorResult({}, np.array([c])) for name, c in (("a", 0.5), ("b", 1.0))}
    >>> engine_confidence(both).item()
    0.75
    """
    omega = dict(weights) if weights is not None else dict.fromkeys(results, 1 / len(results))
    if set(omega) != set(results) or abs(sum(omega.values()) - 1) > 1e-12:
        raise ValueError(f"weights: expected one for each of {list(results)}, sum 1, found {omega}")
    total = sum((omega[name] * result.confidence for name, result in results.items()), np.float64(0.0))
    return np.clip(np.asarray(total), 0.0, 1.0)


def engine_frame(keys: pl.DataFrame, results: Mapping[str, ProcessorResult], table: str, **own: object) -> pl.DataFrame:
    """Return the rows of an engine's table.

    Parameters
    ----------
    keys
        ``session``, ``symbol`` and whatever else the rows have besides the processors' values, one row per point.
    results
        By name of the processor.
    table
        Name of the table.
    own
        Further columns: arrays with NaN where unknown, as in :class:`ProcessorResult`, or series.

    Raises
    ------
    ValueError
        When a column of the table is missing or a value does not fit its column (:func:`columns_of`).
    """
    schema = TABLES[table].polars_schema
    columns: dict[str, pl.Series] = {name: keys[name] for name in keys.columns}
    n = keys.height
    given: dict[str, object] = {}
    for processor, result in results.items():
        given |= result.values
        given[f"{processor}_confidence"] = result.confidence
        given[f"{processor}_is_proxy"] = np.zeros(n, dtype=bool) if result.is_proxy is None else result.is_proxy
        given[f"{processor}_reasons"] = joined_reasons(result.reasons, n)
    columns |= columns_of(given | own, schema)
    if missing := [name for name in schema if name not in columns]:
        raise ValueError(f"{table}: expected columns {missing} from the processors or the interpreter, found none")
    typed = [
        columns[name] if columns[name].dtype == dtype else columns[name].cast(dtype) for name, dtype in schema.items()
    ]
    return pl.DataFrame(typed).sort(TABLES[table].key)


def columns_of(given: Mapping[str, object], schema: Mapping[str, pl.DataType]) -> dict[str, pl.Series]:
    """Return values as columns of their table: NaN becomes null, positions become labels.

    Raises
    ------
    ValueError
        When the table has no such column, a value is infinite, a count is not whole, or a position has no label.

    Examples
    --------
    >>> schema = TABLES["engines.liquidity"].polars_schema
    >>> columns_of({"spread_regime": np.array([2.0, np.nan])}, schema)["spread_regime"].to_list()
    ['wide', None]
    """
    columns: dict[str, pl.Series] = {}
    floats: dict[str, Floats] = {}
    for name, values in given.items():
        if name not in schema:
            raise ValueError(f"expected a column of the table, found {name!r}")
        if isinstance(values, pl.Series):
            columns[name] = values.alias(name)
            continue
        array = np.asarray(values)
        if array.dtype.kind == "f":
            floats[name] = array
        else:
            columns[name] = pl.Series(name, array)
    if not floats:
        return columns
    # Making a series costs more than filling it: one for all, of which each column is a part.
    every = np.concatenate(list(floats.values()))
    if np.isinf(every).any():
        name, array = next((name, array) for name, array in floats.items() if np.isinf(array).any())
        raise ValueError(f"{name}: expected finite values, NaN where unknown, found {array[np.isinf(array)][0]}")
    series, start = pl.Series(every, nan_to_null=True), 0
    for name, array in floats.items():
        column, dtype = series.slice(start, array.size), schema[name]
        typed = column if isinstance(dtype, pl.Float64) else _typed(name, array, column, dtype)
        columns[name] = typed.alias(name)
        start += array.size
    return columns


def _typed(name: str, array: Floats, series: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return numbers as labels, flags, counts or instants."""
    if isinstance(dtype, pl.Enum):
        labels = _labels(dtype)
        if not ((np.floor(array) == array) & (array >= 0) & (array < len(labels)) | np.isnan(array)).all():
            raise ValueError(f"{name}: expected positions in {labels.to_list()}, NaN where unknown, found {array}")
        return labels[series.cast(pl.UInt32)]
    if dtype == pl.Boolean:
        return series.cast(pl.Boolean)
    if dtype in (pl.Int64, pl.Datetime):
        is_whole = (np.floor(array) == array) | np.isnan(array)
        if not is_whole.all():
            raise ValueError(f"{name}: expected whole numbers, NaN where unknown, found {array[~is_whole][0]}")
        return series.cast(pl.Int64).cast(dtype)
    return series


@lru_cache(maxsize=256)
def _labels(dtype: pl.Enum) -> pl.Series:
    return pl.Series(dtype.categories, dtype=dtype)
