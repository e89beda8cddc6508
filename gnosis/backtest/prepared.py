"""What many runs share: bars laid out once, conditions, delistings and tables, with the hashes of them all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from gnosis.backtest.conditions import Conditions, build_conditions
from gnosis.backtest.configuration import Configuration
from gnosis.backtest.deciding import by_targets
from gnosis.backtest.known_rows import KnownRows
from gnosis.backtest.ledger import LedgerError, to_units
from gnosis.backtest.market import BAR_COLUMNS, Market, build_market, frame_sha256, ordered_sha256
from gnosis.backtest.simulation import Events, Simulation
from gnosis.backtest.strategies import buy_and_hold


@dataclass(frozen=True)
class Prepared:
    """Bars and conditions of any number of runs; nothing in it changes while they run.

    Attributes
    ----------
    market
        The bars by session and symbol.
    conditions
        What is known beside them.
    delistings
        (session number, symbol) -> last price in units of 1e-8, or None when it is not known.
    tables
        What strategies may read, by name.
    input_sha256
        Hash of every further input, by its name.
    """

    market: Market
    conditions: Conditions
    delistings: dict[tuple[int, str], int | None]
    tables: Mapping[str, pl.DataFrame]
    input_sha256: Mapping[str, str]
    _given: pl.DataFrame
    _given_sha256: str

    @cached_property
    def bars_sha256(self) -> str:
        """Hash of the bars in the order of session and symbol."""
        return ordered_sha256(self.market.bars)

    @cached_property
    def known_bars(self) -> KnownRows:
        """Bars in the order in which they became known."""
        return KnownRows(self.market.bars, "bars")

    @cached_property
    def _known(self) -> dict[str, KnownRows]:
        return {}

    @cached_property
    def _table_sha256(self) -> dict[str, str]:
        return {}

    @cached_property
    def _held(self) -> dict[str, Events]:
        return {}

    def known(self, name: str) -> KnownRows:
        """Return the rows of a table in the order in which they became known."""
        if name not in self._known:
            self._known[name] = KnownRows(self.tables[name], name)
        return self._known[name]

    def table_sha256(self, name: str) -> str:
        """Return the hash of a table, whatever the order of its rows."""
        if name not in self._table_sha256:
            self._table_sha256[name] = frame_sha256(self.tables[name])
        return self._table_sha256[name]

    def held(self, configuration: Configuration, symbols: list[str], first: int) -> Events:
        """Return what buying ``symbols`` equally at session number ``first`` and holding them wrote down."""
        market = self.market
        asked = f"{first} {'+'.join(symbols)} {replace(configuration, strategy='').canonical_json()}"
        if asked not in self._held:
            targets = buy_and_hold(market.bars, symbols, market.sessions[first])
            simulation = Simulation(market, configuration, self.delistings, self.conditions)
            self._held[asked] = simulation.run(first, by_targets(targets, market, first))
        return self._held[asked]

    def require_unchanged(self) -> None:
        """Raise :class:`LedgerError` when the bars that were given are not what they were before the first run."""
        if ordered_sha256(self._given) != self._given_sha256:
            raise LedgerError(
                "I8: expected the bars unchanged by the run, found other values: do not share their buffers"
            )


def prepare(
    bars: pl.DataFrame,
    *,
    tables: Mapping[str, pl.DataFrame] | None = None,
    delistings: pl.DataFrame | None = None,
    intraday: pl.DataFrame | None = None,
    spreads: pl.DataFrame | None = None,
    amplification: pl.DataFrame | None = None,
    shares_outstanding: pl.DataFrame | None = None,
    books: pl.DataFrame | None = None,
    pay_dates: pl.DataFrame | None = None,
) -> Prepared:
    """Lay out bars and what is known beside them for any number of runs; parameters are those of ``run``.

    Raises
    ------
    ValueError
        For bars, delistings or conditions that are not usable; the message names the row.
    """
    market = build_market(bars)
    given = bars.select(BAR_COLUMNS)
    extras = {
        "intraday": intraday, "spreads": spreads, "amplification": amplification,
        "shares_outstanding": shares_outstanding, "books": books, "pay_dates": pay_dates,
    }  # fmt: skip
    inputs = {"delistings": delistings, **extras}
    return Prepared(
        market,
        build_conditions(market, **extras),
        _delistings(delistings, market),
        tables or {},
        {name: frame_sha256(frame) for name, frame in inputs.items() if frame is not None},
        given,
        ordered_sha256(given),
    )


def _delistings(delistings: pl.DataFrame | None, market: Market) -> dict[tuple[int, str], int | None]:
    if delistings is None:
        return {}
    columns = ["session", "symbol", "delisting_price_usd"]
    if missing := [name for name in columns if name not in delistings.columns]:
        raise ValueError(f"expected delistings with {columns}, missing {missing}")
    # A delisting after the last bar has not happened yet, and one of a symbol without bars meets no position.
    has_happened = pl.col("session") <= market.calendar["session"][-1]
    rows: list[tuple[dt.date, str, float | None]] = (
        delistings.select(columns).filter(has_happened & pl.col("symbol").is_in(market.symbols)).rows()
    )
    for session, symbol, price in rows:
        later = market.bars.filter((pl.col("symbol") == symbol) & (pl.col("session") >= session))
        if later.height or (price is not None and not price >= 0):
            raise ValueError(
                f"expected no bars of {symbol} from its delisting at {session} on and a price of 0 or more, found "
                f"{later.height} bars and price {price}"
            )
    return {
        (market.session_number(session), symbol): None if price is None else to_units(price)
        for session, symbol, price in rows
    }
