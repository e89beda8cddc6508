"""Proofs that a computation does not see the future and does not depend on how much history was loaded.

Each takes the computation itself, computes the same rows again from damaged inputs and counts the values that moved by
a bit. They know nothing of the features: any function from tables to rows with ``symbol``, ``session`` and ``as_of``
can be held to them, in a test over everything or in production on a sample of rows.

* :func:`truncation_proof` deletes what was unknown at the row's ``as_of``, or is about a later session.
* :func:`poison_proof` replaces it with garbage.
* :func:`nightly_proof` deletes what is older than the declared lookback: one night must equal a ten-year backfill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import shift_session
from gnosis.tables import TABLES

if TYPE_CHECKING:
    import datetime as dt

Tables = Mapping[str, pl.DataFrame]
Compute = Callable[[Tables], pl.DataFrame]
Damage = Callable[[str, pl.DataFrame, "dt.date", "dt.datetime"], pl.DataFrame]

KEY = ["session", "symbol"]


def truncation_proof(
    compute: Compute, inputs: Tables, pairs: pl.DataFrame, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Delete the future of each pair and count the values that change.

    Parameters
    ----------
    compute
        Function from tables by name to rows with ``session``, ``symbol``, ``as_of`` and the columns to prove.
    inputs
        Tables by name (``raw.equity_bars``, ...), each with ``known_at`` and, if its rows are about a session,
        ``session``.
    pairs
        ``session`` and ``symbol`` of the rows to prove. Pairs of one session share their recomputation.
    columns
        Columns to prove; all but the key if None.

    Returns
    -------
    polars.DataFrame
        ``feature``, ``proof``, ``n_pairs``, ``n_nulls`` (pairs whose value is null: they prove little) and
        ``n_failures`` (pairs whose value changed), one row per column.

    Raises
    ------
    ValueError
        When ``compute`` gives no row for a pair.

    Examples
    --------
    A mean over all bars knows the future.

    >>> from gnosis.sessions import schedule
    >>> bars = schedule().head(3).select("session", known_at="close_at", symbol=pl.lit("SPY"), close=pl.lit(1.0))
    >>> def leaky(tables):
    ...     return tables["raw.equity_bars"].with_columns(as_of="known_at", bars=pl.len())
    >>> truncation_proof(leaky, {"raw.equity_bars": bars}, bars, ["close", "bars"])["n_failures"].to_list()
    [0, 2]
    """

    def delete(_: str, frame: pl.DataFrame, session: dt.date, as_of: dt.datetime) -> pl.DataFrame:
        return frame.filter(~_is_future(frame, session, as_of))

    return _proof("truncation", compute, inputs, pairs, columns, delete)


def poison_proof(
    compute: Compute, inputs: Tables, pairs: pl.DataFrame, columns: Sequence[str] | None = None, *, seed: int = 0
) -> pl.DataFrame:
    """Replace the future of each pair with garbage and count the values that change.

    ``inputs`` are named as in the data dictionary, see :func:`garbage`. Parameters and result are otherwise those of
    :func:`truncation_proof`.

    Examples
    --------
    >>> from gnosis.sessions import schedule
    >>> bars = schedule().head(3).select("session", known_at="close_at", symbol=pl.lit("SPY"), close=pl.lit(1.0))
    >>> def leaky(tables):
    ...     return tables["raw.equity_bars"].with_columns(as_of="known_at", next=pl.col("close").shift(-1))
    >>> poison_proof(leaky, {"raw.equity_bars": bars}, bars, ["close", "next"])["n_failures"].to_list()
    [0, 2]
    """

    def poison(name: str, frame: pl.DataFrame, session: dt.date, as_of: dt.datetime) -> pl.DataFrame:
        is_future = _is_future(frame, session, as_of)
        poisoned = garbage(name, frame, seed)
        return frame.with_columns(
            pl.when(is_future).then(poisoned[column]).otherwise(frame[column]).alias(column)
            for column in poisoned.columns
        )

    return _proof("poison", compute, inputs, pairs, columns, poison)


def nightly_proof(
    compute: Compute,
    inputs: Tables,
    pairs: pl.DataFrame,
    lookback_sessions: int,
    columns: Sequence[str] | None = None,
    *,
    night: Compute | None = None,
) -> pl.DataFrame:
    """Keep only the declared lookback of each pair and count the values that change.

    ``lookback_sessions`` are the exchange sessions, the pair's own included, that are kept by the inputs' ``session``.
    ``night`` makes the rows of the newest session alone, where those of earlier ones are inputs; ``compute`` if None.
    The other parameters and the result are those of :func:`truncation_proof`.

    Examples
    --------
    >>> from gnosis.sessions import schedule
    >>> bars = schedule().head(3).select("session", known_at="close_at", symbol=pl.lit("SPY"), close=pl.lit(1.0))
    >>> def unending(tables):
    ...     return tables["raw.equity_bars"].with_columns(as_of="known_at", age=pl.col("close").cum_sum())
    >>> nightly_proof(unending, {"raw.equity_bars": bars}, bars.tail(2), 2, ["close", "age"])["n_failures"].to_list()
    [0, 1]
    """

    def forget(_: str, frame: pl.DataFrame, session: dt.date, _as_of: dt.datetime) -> pl.DataFrame:
        return frame.filter(pl.col("session").is_between(shift_session(session, 1 - lookback_sessions), session))

    return _proof("nightly", compute, inputs, pairs, columns, forget, night)


def garbage(table: str, rows: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Return rows of a table of the data dictionary with garbage that keeps keys, times and signs.

    All numbers of a row are multiplied by one random factor between 1/20 and 20, so that prices stay ordered; flags
    are inverted and the provider is renamed. What an integer cannot hold becomes null.

    Examples
    --------
    >>> rows = pl.DataFrame({"symbol": ["SPY"], "close": [2.0], "synthetic": [False], "provider": ["tape"]})
    >>> garbage("raw.equity_bars", rows, seed=7).with_columns(pl.col("close").round(4)).row(0)
    ('SPY', 4.2364, True, 'poison')
    """
    factor = pl.Series(np.exp(np.random.default_rng(seed).uniform(-3.0, 3.0, rows.height)))
    changed: dict[str, pl.Expr] = {}
    for column, dtype in rows.schema.items():
        if column in (*TABLES[table].key, "known_at"):
            continue
        if dtype.is_numeric():
            changed[column] = (pl.col(column) * factor).cast(dtype, strict=False)
        elif dtype == pl.Boolean:
            changed[column] = ~pl.col(column)
        elif column == "provider":
            changed[column] = pl.lit("poison")
    return rows.with_columns(**changed)


def same_bits(left: pl.Series, right: pl.Series) -> pl.Series:
    """Return where two series agree: in null, NaN and the sign of zero, too.

    Examples
    --------
    >>> same_bits(pl.Series([0.0, None, 1.0]), pl.Series([-0.0, None, 1.0])).to_list()
    [False, True, True]
    """
    same = left.eq_missing(right)
    if left.dtype.is_float():
        signs = [np.signbit(side.fill_null(0.0).to_numpy()) for side in (left, right)]
        same &= pl.Series(signs[0] == signs[1], dtype=pl.Boolean)
    return same


def sample_pairs(rows: pl.DataFrame, size: int, seed: int) -> pl.DataFrame:
    """Draw ``size`` distinct pairs of session and symbol (all when there are fewer), sorted.

    Examples
    --------
    >>> rows = pl.DataFrame({"session": [1, 2, 3, 4], "symbol": ["SPY"] * 4})
    >>> sample_pairs(rows, 2, seed=7).height
    2
    """
    pairs = rows.select(KEY).unique().sort(KEY)
    chosen = np.random.default_rng(seed).choice(pairs.height, size=min(size, pairs.height), replace=False)
    return pairs[np.sort(chosen)]


def _is_future(frame: pl.DataFrame, session: dt.date, as_of: dt.datetime) -> pl.Series:
    late = frame["known_at"] > as_of
    return late | (frame["session"] > session) if "session" in frame.columns else late


def _proof(
    name: str,
    compute: Compute,
    inputs: Tables,
    pairs: pl.DataFrame,
    columns: Sequence[str] | None,
    damage: Damage,
    again_by: Compute | None = None,
) -> pl.DataFrame:
    wanted = pairs.select(KEY).unique().sort(KEY)
    full = compute(inputs)
    before = wanted.join(full, on=KEY, how="inner", maintain_order="left")
    if before.height != wanted.height:
        lost = wanted.join(full, on=KEY, how="anti").row(0)
        raise ValueError(
            f"expected one row for each of {wanted.height} pairs, found {before.height}; for instance {lost}"
        )
    watched = list(columns) if columns is not None else [column for column in full.columns if column not in KEY]
    after = []
    for moment in before.partition_by("session", "as_of", maintain_order=True):
        session, as_of = moment["session"][0], moment["as_of"][0]
        damaged = {table: damage(table, frame, session, as_of) for table, frame in inputs.items()}
        after.append(moment.select(KEY).join((again_by or compute)(damaged), on=KEY, how="left", maintain_order="left"))
    again = before.select(KEY).join(pl.concat(after), on=KEY, how="left", maintain_order="left") if after else before
    return pl.DataFrame(
        {
            "feature": watched,
            "proof": [name] * len(watched),
            "n_pairs": [before.height] * len(watched),
            "n_nulls": [before[column].null_count() for column in watched],
            "n_failures": [int((~same_bits(before[column], again[column])).sum()) for column in watched],
        },
        schema={
            "feature": pl.String,
            "proof": pl.String,
            "n_pairs": pl.Int64,
            "n_nulls": pl.Int64,
            "n_failures": pl.Int64,
        },
    )


__all__ = ["garbage", "nightly_proof", "poison_proof", "same_bits", "sample_pairs", "truncation_proof"]
