"""Who provided what a point could see, and whether any of it was generated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from gnosis.engines.points import Integers, Points
from gnosis.engines.protocol import Bools
from gnosis.engines.visible_rows import visible_rows
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
    given = [(frame, sessions) for frame, sessions in inputs if frame is not None and not frame.is_empty()]
    providers = Providers(*(frame["provider"] for frame, _ in given))
    members = np.zeros(len(points), dtype=np.int64)
    synthetic = np.zeros(len(points), dtype=bool)
    kinds = ("provider", "synthetic")
    for frame, sessions in given:
        first = frame.group_by("symbol", "session", *kinds).agg(pl.col("known_at").min())
        for kind in first.partition_by(*kinds, maintain_order=False):
            seen = _sees_any(points, kind, sessions)
            members[seen] |= providers.members(kind["provider"][:1])[0]
            synthetic[seen] |= bool(kind["synthetic"][0])
    return providers.joined(members), synthetic


def _sees_any(points: Points, rows: pl.DataFrame, sessions: int) -> Integers:
    """Return the positions of the points that see one of the rows."""
    found = [np.zeros(0, dtype=np.int64)]
    for visible in visible_rows(points, rows, "session", "inputs"):
        starts, ends = visible.between(visible.points.position - sessions + 1, visible.points.position)
        found.append(visible.at[ends > starts])
    return np.concatenate(found)
