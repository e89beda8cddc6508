"""How the rows of many chains belong together: chains, expiries and strikes as positions in arrays.

Rows are sorted by the key of ``raw.option_quotes``. A chain is one (session, symbol); an expiry here is one (session,
symbol, expiry, settlement, root): morning- and afternoon-settled contracts of one date have their own forwards and
smiles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from gnosis.options.arrays import Flags, Floats, Positions, frozen

CHAIN = ["session", "symbol"]
EXPIRY_KEY = [*CHAIN, "expiry", "settlement", "root"]


class Contracts(NamedTuple):
    """Columns of the rows as arrays; labels as integers in the order of their names, instants in microseconds."""

    session: NDArray[np.int32]
    symbol: NDArray[np.uint32]
    expiry: NDArray[np.int32]
    settlement: NDArray[np.uint8]
    root: NDArray[np.uint32]
    is_call: Flags
    strike: Floats
    ts: NDArray[np.int64]
    bid: Floats
    ask: Floats
    spot: Floats
    is_american: Flags


class Layout(NamedTuple):
    """How rows, strikes and expiries belong together.

    Attributes
    ----------
    of_row
        Strike of each row.
    call, put
        Row of the call and of the put of each strike, -1 where there is none. Strikes ascend within an expiry.
    starts
        First strike of each expiry, followed by the number of strikes.
    expiry
        Expiry of each strike.
    """

    of_row: Positions
    call: Positions
    put: Positions
    starts: Positions
    expiry: Positions

    @property
    def any_row(self) -> Positions:
        """Row of the call of each strike, or of the put where there is no call."""
        return np.where(self.call >= 0, self.call, self.put)

    @property
    def expiry_of_row(self) -> Positions:
        """Expiry of each row."""
        return self.expiry[self.of_row]

    @property
    def n_expiries(self) -> int:
        """Number of expiries."""
        return self.starts.size - 1

    def per_expiry(self, reduce: np.ufunc, values: np.ndarray) -> np.ndarray:
        """Return the values of the rows of each expiry, reduced; ``reduce`` must not mind a value that comes twice."""
        call, put = np.where(self.call >= 0, self.call, self.put), np.where(self.put >= 0, self.put, self.call)
        result: np.ndarray = reduce.reduceat(reduce(values[call], values[put]), self.starts[:-1])
        return result


def expiry_starts(starts: ArrayLike | None, n: int) -> Positions:
    """Return the positions that cut n strikes into expiries, one expiry when ``starts`` is None.

    Raises
    ------
    ValueError
        When the positions do not run from 0 to n.

    Examples
    --------
    >>> expiry_starts([0, 2], 3)
    Traceback (most recent call last):
    ValueError: starts: expected positions ascending from 0 to the number of strikes 3, found [0, 2]
    """
    cuts = np.asarray([0, n] if starts is None else starts, dtype=np.int64)
    if cuts.ndim != 1 or cuts.size < 2 or cuts[0] != 0 or cuts[-1] != n or (np.diff(cuts) < 0).any():
        raise ValueError(
            f"starts: expected positions ascending from 0 to the number of strikes {n}, found {cuts.tolist()}"
        )
    return frozen(cuts, cuts.shape)


def codes(names: pl.Series) -> pl.Series:
    """Return the position of each name among the distinct names in alphabetical order.

    Examples
    --------
    >>> codes(pl.Series(["SPXW", "SPX", "SPXW"])).to_list()
    [1, 0, 1]
    """
    distinct = names.unique().sort()
    if len(distinct) == 1:
        return pl.zeros(len(names), pl.UInt32, eager=True)
    return names.cast(pl.Enum(distinct)).to_physical().cast(pl.UInt32)


def contracts(rows: pl.DataFrame) -> Contracts:
    """Return the columns of rows of ``raw.option_quotes`` as arrays; missing prices are NaN."""
    columns = (
        rows["session"].to_physical(),
        codes(rows["symbol"]),
        rows["expiry"].to_physical(),
        rows["settlement"].to_physical(),
        codes(rows["root"]),
        rows["right"] == "C",
        rows["strike"],
        rows["ts"].to_physical(),
        rows["bid"],
        rows["ask"],
        rows["spot"],
        rows["style"] == "A",
    )
    return Contracts(*(frozen(column.to_numpy(), (rows.height,)) for column in columns))


def changes(*columns: np.ndarray) -> Flags:
    """Return where any of the columns differs from the row before; the first row does."""
    found = np.ones(columns[0].size, dtype=bool)
    np.any([column[1:] != column[:-1] for column in columns], axis=0, out=found[1:])
    return found


def layout(rows: Contracts) -> Layout:
    """Return how the rows belong together.

    Parameters
    ----------
    rows
        At least one row, sorted by the key of ``raw.option_quotes``, each contract once per session.
    """
    group = np.cumsum(changes(rows.session, rows.symbol, rows.expiry, rows.settlement))
    order = np.lexsort((~rows.is_call, rows.strike, rows.root, group))
    group, root, is_call = group[order], rows.root[order], rows.is_call[order]
    is_new_expiry = changes(group, root)
    is_new_strike = is_new_expiry | changes(rows.strike[order])
    strike = np.cumsum(is_new_strike) - 1
    n = int(strike[-1]) + 1
    of_row, call, put = np.empty(order.size, dtype=np.int64), np.full(n, -1), np.full(n, -1)
    of_row[order] = strike
    call[strike[is_call]] = order[is_call]
    put[strike[~is_call]] = order[~is_call]
    expiry = (np.cumsum(is_new_expiry) - 1)[is_new_strike]
    starts = np.append(np.flatnonzero(np.diff(expiry, prepend=-1)), n)
    return Layout(of_row, call, put, starts, expiry)


def newest_rows(ts: NDArray[np.int64], serves: Flags, belonging: Layout) -> Positions:
    """Return the row of each expiry with the latest quote instant; of equals that of the lowest strike, the call.

    Only rows that ``serves`` names are chosen from; each expiry has at least one.
    """
    ts = np.where(serves, ts, np.iinfo(np.int64).min)
    latest = belonging.per_expiry(np.maximum, ts)[belonging.expiry]
    row = belonging.any_row
    is_call_late = ts[row] == latest
    is_late = is_call_late | ((belonging.put >= 0) & (ts[belonging.put] == latest))
    strike = np.flatnonzero(is_late)
    strike = strike[np.flatnonzero(np.diff(belonging.expiry[strike], prepend=-1))]
    chosen: Positions = np.where(is_call_late[strike], row[strike], belonging.put[strike])
    return chosen
