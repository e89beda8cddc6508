"""The contracts behind every number of this package: which version of a row, which are alive, which can be revalued.

Exposures, profiles, walls and levels all begin here, so that they speak of the same contracts and the same spot.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from gnosis.options.arrays import Floats, positive
from gnosis.options.chain.layout import CHAIN, EXPIRY_KEY
from gnosis.options.origin import require_table
from gnosis.tables.greeks import REVALUATIONS

SMILE_ORDER = [*EXPIRY_KEY, "strike", "right"]
"""Key of ``greeks.option_greeks`` in the order in which the strikes of a smile follow each other."""

ORDER = [*CHAIN, "expiry", "strike", "right", "settlement", "root"]
"""The same key in the order in which contracts are summed."""


def require_contracts(greeks: pl.DataFrame) -> None:
    """Raise unless the frame is ``greeks.option_greeks`` with open interest that can be summed.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, or an open interest is negative or not finite.
    """
    require_table(greeks, "greeks.option_greeks")
    held = pl.col("open_interest")
    wrong = greeks.filter(~(held.is_finite() & (held >= 0)))
    if not wrong.is_empty():
        found = wrong.sort(ORDER).select(*ORDER, held).row(0)
        raise ValueError(
            "greeks.option_greeks: expected open_interest as finite contracts >= 0, null where unknown, "
            f"found {wrong.height} other(s), the first {found}"
        )


def one_version(greeks: pl.DataFrame, order: Sequence[str] = SMILE_ORDER) -> pl.DataFrame:
    """Return contracts sorted by ``order``; of rows that are equal in it only one version.

    The version with the latest ``known_at`` is used; between equals the one with the later quote instant, then the
    larger values, so that the choice does not depend on the order of the rows.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order; further columns are kept.
    order
        The columns that identify a row: :data:`SMILE_ORDER`, or :data:`ORDER`.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> rows = [{"strike": 105.0, "spot": 100.0}, {"strike": 95.0, "spot": 100.0}, {"strike": 105.0, "spot": 101.0}]
    >>> key = dict.fromkeys(SMILE_ORDER, 0) | {"symbol": "XYZ", "root": "XYZ", "settlement": "pm", "right": "C"}
    >>> found = one_version(pl.DataFrame([key | row for row in rows]).with_columns(known_at=0, ts=0))
    >>> found.select("strike", "spot").rows()
    [(95.0, 100.0), (105.0, 101.0)]
    """
    ordered = greeks.sort(order)
    is_repeat = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in order)
    if not ordered.select(is_repeat.slice(1).any()).item():
        return ordered
    versions = ["known_at", "ts", *sorted(set(greeks.columns) - {"known_at", "ts", *order})]
    return greeks.sort([*order, *versions], nulls_last=False).unique(order, keep="last", maintain_order=True)


def chain_spots(rows: pl.DataFrame) -> pl.DataFrame:
    """Return ``session``, ``symbol`` and the ``spot`` of the latest quote of every chain, of sorted contracts.

    Between quotes of one instant it is the larger. A quote later than its session (``late``) decides only where a
    chain has no other.

    Examples
    --------
    >>> rows = {"session": 0, "symbol": "XYZ", "ts": [2, 1, 2, 3], "spot": [100.0, 99.0, 100.5, 110.0]}
    >>> chain_spots(pl.DataFrame(rows | {"reason": [None, None, "wide", "late"]}))["spot"].item()
    100.5
    """
    chain = rows.select(*CHAIN, "ts", "spot", is_late=is_late())
    latest = pl.col("spot").sort_by(~pl.col("is_late"), "ts", "spot").last()
    return chain.group_by(CHAIN, maintain_order=True).agg(latest)


def is_alive() -> pl.Expr:
    """Return whether a contract had not settled at its quote."""
    return ~_has_reason("settled")


def is_late() -> pl.Expr:
    """Return whether a quote is later than its session."""
    return _has_reason("late")


def is_priced() -> pl.Expr:
    """Return whether a contract can be revalued; an adjusted one never can, as it has no volatility."""
    return pl.all_horizontal(pl.col("iv", "forward", "discount").is_not_null())


def _has_reason(name: str) -> pl.Expr:
    return (pl.col("reason") == name).fill_null(False)


def live_contracts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the contracts that had not settled, of contracts sorted by :data:`SMILE_ORDER`.

    Added are ``chain`` and ``smile``, the numbers of the chain and of the expiry among those of ``rows``, and ``size``,
    the shares behind the open interest: 0 where it is unknown.
    """
    size = (pl.col("open_interest") * pl.col("multiplier")).fill_null(0.0)
    return rows.with_columns(chain=_number(CHAIN), smile=_number(EXPIRY_KEY), size=size).filter(is_alive())


def _number(key: list[str]) -> pl.Expr:
    """Number the runs of equal keys in sorted rows, from 0."""
    is_new = pl.any_horizontal(pl.col(name) != pl.col(name).shift() for name in key)
    return is_new.fill_null(False).cum_sum().cast(pl.UInt32)


def require_revaluation(name: str) -> None:
    """Raise unless there is such a revaluation.

    Raises
    ------
    ValueError
        With those that there are.
    """
    if name not in REVALUATIONS:
        raise ValueError(f"revaluation: expected one of {REVALUATIONS}, found {name!r}")


def require_ratios(ratios: ArrayLike) -> Floats:
    """Return hypothetical spots over spot as an array.

    Raises
    ------
    ValueError
        Unless they are positive finite numbers in one dimension.

    Examples
    --------
    >>> require_ratios(1.01)
    Traceback (most recent call last):
    ValueError: ratios: expected a list of spots over spot such as [0.99, 1.0, 1.01], found 1.01
    """
    nodes = positive("ratios", "p/S", ratios)
    if nodes.ndim != 1 or np.isnan(nodes).any():
        raise ValueError(
            f"ratios: expected a list of spots over spot such as [0.99, 1.0, 1.01], found {nodes.tolist()}"
        )
    return nodes


def require_index_symbols(index_symbols: Collection[str]) -> list[str]:
    """Return the symbols of indices and index funds, sorted.

    Raises
    ------
    ValueError
        Unless they are a collection of symbols.
    """
    is_list = isinstance(index_symbols, Collection) and not isinstance(index_symbols, str)
    if not is_list or not all(isinstance(symbol, str) for symbol in index_symbols):
        raise ValueError(
            f"index_symbols: expected a collection of symbols such as ['SPX', 'SPY'], found {index_symbols!r}"
        )
    return sorted(index_symbols)


def require_threads(threads: int) -> None:
    """Raise unless so many threads can share the work.

    Raises
    ------
    ValueError
        When ``threads`` is not a positive whole number.
    """
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer) or threads < 1:
        raise ValueError(f"threads: expected a positive whole number, found {threads!r}")
