"""Who provided what a point could see, and whether any of it was generated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from gnosis.engines.points import Points, session_ranks
from gnosis.engines.protocol import Bools
from gnosis.options.origin import Providers


def input_origin(points: Points, inputs: Sequence[tuple[pl.DataFrame | None, int]]) -> tuple[pl.Series, Bools]:
    """Return the distinct providers of the rows that each point could see, joined by '+', and whether any is synthetic.

    Parameters
    ----------
    points
        Points.
    inputs
        Tables with ``symbol``, ``session``, ``known_at``, ``provider`` and ``synthetic``, each with the number of
        sessions up to a point's own that are read of it; None for a table that is not there.

    Returns
    -------
    provider : polars.Series
        Null where a point sees no row.
    synthetic : numpy.ndarray

    Examples
    --------
    >>> import datetime as dt
    >>> close = dt.datetime(2012, 1, 3, 21, tzinfo=dt.UTC)
    >>> key = {"symbol": ["AAA"], "session": [close.date()]}
    >>> rows = pl.DataFrame(key | {"known_at": [close], "provider": ["b+a"], "synthetic": [False]})
    >>> provider, synthetic = input_origin(Points.of(pl.DataFrame(key | {"as_of": [close]})), [(rows, 1)])
    >>> provider.to_list(), synthetic.tolist()
    (['a+b'], [False])
    """
    given = [(_blocks(frame), sessions) for frame, sessions in inputs if frame is not None and not frame.is_empty()]
    providers = Providers(*(blocks["provider"] for blocks, _ in given))
    members = np.zeros(len(points), dtype=np.int64)
    synthetic = np.zeros(len(points), dtype=bool)
    for blocks, sessions in given if len(points) else []:
        kinds = 2 * providers.members(blocks["provider"]) + blocks["synthetic"].to_numpy()
        for kind in np.unique(kinds).tolist():
            seen = _sees_any(points, blocks if (kinds == kind).all() else blocks.filter(kinds == kind), sessions)
            members[seen] |= kind // 2
            synthetic[seen] |= bool(kind % 2)
    return providers.joined(members), synthetic


def market_origin(
    cut_offs: pl.DataFrame, inputs: Sequence[tuple[pl.DataFrame | None, int, Bools]]
) -> tuple[pl.Series, Bools]:
    """Return the same of what is not about one symbol: the rows of all symbols count for every knowledge cut-off.

    Parameters
    ----------
    cut_offs
        ``session`` and ``as_of``.
    inputs
        As for :func:`input_origin`, ``symbol`` left out or not read, each with the cut-offs whose values rest on it.

    Examples
    --------
    >>> import datetime as dt
    >>> close = dt.datetime(2012, 1, 3, 21, tzinfo=dt.UTC)
    >>> rows = pl.DataFrame({"session": [close.date()], "known_at": [close], "provider": ["a"], "synthetic": [True]})
    >>> cut_offs = pl.DataFrame({"session": [close.date()], "as_of": [close]})
    >>> provider, synthetic = market_origin(cut_offs, [(rows, 1, np.array([True]))])
    >>> provider.to_list(), synthetic.tolist()
    (['a'], [True])
    """
    position = session_ranks(cut_offs["session"], "cut-offs")
    as_of = cut_offs["as_of"].dt.epoch("us").to_numpy().astype(np.int64)
    points = Points(cut_offs, ("",), np.zeros_like(position), position, as_of)
    found = [
        (input_origin(points, [(frame.with_columns(symbol=pl.lit("")), sessions)]), rests_on)
        for frame, sessions, rests_on in inputs
        if frame is not None and rests_on.any()
    ]
    providers = Providers(*(provider for (provider, _), _ in found))
    members, synthetic = np.zeros(len(points), dtype=np.int64), np.zeros(len(points), dtype=bool)
    for (provider, generated), rests_on in found:
        members |= np.where(rests_on, providers.members(provider), 0)
        synthetic |= rests_on & generated
    return providers.joined(members), synthetic


def _blocks(frame: pl.DataFrame) -> pl.DataFrame:
    """Return neighbouring rows of one symbol, session and origin as one, with the earliest ``known_at`` of them.

    Grouping equal rows wherever they stand takes many times as long, and tables are stored in order.
    """
    rows = frame.select("symbol", "session", "provider", "synthetic")
    changed = np.zeros(rows.height - 1, dtype=bool)
    for column in rows.iter_columns():
        differs = column.slice(1) != column.slice(0, rows.height - 1)
        changed |= (differs.fill_null(True) if differs.null_count() else differs).to_numpy()
    starts = np.flatnonzero(np.append(True, changed))
    known_at = np.minimum.reduceat(frame["known_at"].dt.epoch("us").to_numpy(), starts)
    return rows[starts].with_columns(known_at=pl.Series(known_at))


def _sees_any(points: Points, blocks: pl.DataFrame, sessions: int) -> Bools:
    """Return whether each point sees a row of the blocks within its last sessions."""
    first, last = int(points.position.min()) - sessions + 1, int(points.position.max())
    names = blocks["symbol"].cast(pl.Enum(points.symbols), strict=False).to_physical()
    symbol = names.cast(pl.Int64).fill_null(-1).to_numpy()
    column = session_ranks(blocks["session"], "inputs") - first
    read = (symbol >= 0) & (column >= 0) & (column <= last - first)
    earliest = np.full((len(points.symbols), last - first + 1), np.iinfo(np.int64).max)
    cells = symbol[read] * earliest.shape[1] + column[read]
    np.minimum.at(earliest.reshape(-1), cells, blocks["known_at"].to_numpy()[read])
    reach = 1
    while reach < sessions:
        # The earliest instant over twice as many sessions, until it is over all of them.
        step = min(reach, sessions - reach)
        earliest[:, step:] = np.minimum(earliest[:, step:], earliest[:, :-step])
        reach += step
    return earliest[points.symbol, points.position - first] <= points.as_of
