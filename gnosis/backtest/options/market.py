"""Chains, bars and what else a run reads, checked and laid out by session.

Rows that become known only at the next open or later come too late for their session and are left out of the run: they
neither fill nor mark, and no decision sees them. So are quotes of another time than the hours of trading.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from gnosis.backtest.actions import corporate_actions
from gnosis.backtest.market import checked_bars
from gnosis.backtest.options.contracts import OptionsDataError, contract_names
from gnosis.sessions import schedule
from gnosis.tables import TABLES

QUOTE_COLUMNS = list(TABLES["raw.option_quotes"].polars_schema)
MAX_AFTER_CLOSE = dt.timedelta(minutes=15)
"""Index options trade and are quoted until a quarter of an hour after the close of shares."""
ORIGIN = ["known_at", "provider", "synthetic"]


@dataclass(frozen=True)
class Session:
    """One exchange session: its date, opening and close, and the opening of the next."""

    day: dt.date
    open_at: dt.datetime
    close_at: dt.datetime
    next_open_at: dt.datetime


@dataclass(frozen=True)
class Bar:
    """Opening and closing price of an underlying as traded, $ per share."""

    open: float
    close: float


class OptionsMarket:
    """Everything a run reads, by session.

    Parameters
    ----------
    quotes
        Rows of ``raw.option_quotes``, one snapshot per session and underlying.
    underlying_bars
        Rows of ``raw.equity_bars`` of the underlyings; they span the run.
    settlements
        ``root``, ``session``, ``value`` ($ per share) and ``known_at``: special opening quotations and official
        settlement values.
    dividends
        Rows of ``raw.dividends``; None when dividends are not known.
    rates
        ``session``, ``rate_per_year`` (continuously compounded) and ``known_at``; None when rates are not known.
    greeks
        Rows of ``greeks.option_greeks``; None when there are none.

    Raises
    ------
    OptionsDataError
        For tables that cannot be used; the message names the first row.
    """

    def __init__(
        self,
        quotes: pl.DataFrame,
        underlying_bars: pl.DataFrame,
        settlements: pl.DataFrame | None,
        dividends: pl.DataFrame | None,
        rates: pl.DataFrame | None,
        greeks: pl.DataFrame | None,
    ) -> None:
        bars = checked_bars(underlying_bars)
        self.sessions = _sessions(bars["session"].min(), bars["session"].max())  # type: ignore[arg-type]
        hours = _hours(self.sessions)
        self.bars = _in_time(bars, hours).sort("session", "symbol")
        self.symbols = self.bars["symbol"].unique().sort().to_list()
        own = (
            _in_time(_quotes(quotes, self.symbols), hours)
            .join(hours.drop("next_open_at"), on="session", maintain_order="left")
            .filter(pl.col("ts").is_between(pl.col("opens"), pl.col("closes") + MAX_AFTER_CLOSE))
            .drop("opens", "closes")
        )
        self.chains, self.empty_chain = _by_session(own), own.clear()
        needed = ["session", "root", "expiry", "right", "strike", "known_at", "iv", "spot", "ts", "delta"]
        needed += ["gamma_per_usd", "vega_per_vol", "theta_per_year"]
        given = None if greeks is None else _with_columns("greeks", greeks, needed)
        self.greeks: Mapping[dt.date, pl.DataFrame] = {}
        self.empty_greeks = pl.DataFrame()
        if given is not None:
            in_time = _in_time(given.with_columns(contract=contract_names()), hours)
            self.greeks, self.empty_greeks = _by_session(in_time), in_time.clear()
        self._bars = {
            (row["session"], row["symbol"]): Bar(row["open"], row["close"]) for row in self.bars.iter_rows(named=True)
        }
        self._settlements = _settlements(settlements)
        self._dividends = (
            dividends
            if dividends is None
            else _with_columns("dividends", dividends, ["symbol", "ex_date", "amount_usd", "known_at"]).sort(
                "known_at", "ex_date"
            )
        )
        self._rates = (
            rates
            if rates is None
            else _with_columns("rates", rates, ["session", "rate_per_year", "known_at"]).sort("session", "known_at")
        )
        self.actions: dict[dt.date, list[dict[str, Any]]] = {}
        for row in corporate_actions(self.bars).iter_rows(named=True):
            self.actions.setdefault(row["session"], []).append(row)
        self.known = {session.day: self._known(session) for session in self.sessions}

    def bar(self, day: dt.date, symbol: str) -> Bar | None:
        """Return the bar of a symbol, None when there is none."""
        return self._bars.get((day, symbol))

    def quotes(self, day: dt.date, contracts: set[str]) -> dict[str, dict[str, Any]]:
        """Return the quotes of a session for some contracts."""
        chain = self.chains.get(day)
        if chain is None or not contracts:
            return {}
        found = chain.filter(pl.col("contract").is_in(sorted(contracts)))
        return {row["contract"]: row for row in found.iter_rows(named=True)}

    def latest_quote(self, day: dt.date, symbol: str) -> dict[str, Any] | None:
        """Return the latest quote of an underlying's chain in a session, None without a chain."""
        chain = self.chains.get(day)
        if chain is None:
            return None
        own = chain.filter(pl.col("symbol") == symbol).sort("ts", "contract").tail(1)
        return own.row(0, named=True) if own.height else None

    def greeks_of(self, day: dt.date, contracts: set[str]) -> dict[str, dict[str, Any]]:
        """Return the Greeks of a session for some contracts."""
        frame = self.greeks.get(day)
        if frame is None or not contracts:
            return {}
        found = frame.filter(pl.col("contract").is_in(sorted(contracts)))
        return {row["contract"]: row for row in found.iter_rows(named=True)}

    def settlement_value(self, root: str, session: Session) -> float | None:
        """Return the settlement value of a root known before the next open, None when there is none."""
        found = self._settlements.get((root, session.day))
        return found[0] if found is not None and found[1] < session.next_open_at else None

    def dividends(self, symbol: str, now: dt.datetime) -> list[tuple[dt.date, float]] | None:
        """Return ex-date and $ per share of each declared dividend, as last announced by ``now``; None when unknown."""
        if self._dividends is None:
            return None
        own = self._dividends.filter(pl.col("symbol") == symbol, pl.col("known_at") <= now)
        latest = own.group_by("ex_date", maintain_order=True).last().sort("ex_date")
        return list(zip(latest["ex_date"], latest["amount_usd"], strict=True))

    def rate(self, now: dt.datetime) -> float | None:
        """Return the rate of the latest session known by ``now``, None when none is."""
        if self._rates is None:
            return None
        known = self._rates.filter(pl.col("known_at") <= now)
        return float(known["rate_per_year"][-1]) if known.height else None

    def _known(self, session: Session) -> pl.DataFrame:
        """Return known_at, provider and synthetic of each distinct origin of the rows of a session."""
        own = self.bars.filter(pl.col("session") == session.day)
        frames = [frame for frame in (own, self.chains.get(session.day)) if frame is not None]
        greeks = self.greeks.get(session.day)
        if greeks is not None and {"provider", "synthetic"} <= set(greeks.columns):
            frames.append(greeks)
        return pl.concat([frame.select(ORIGIN).unique() for frame in frames])


def _sessions(first: dt.date, last: dt.date) -> list[Session]:
    calendar = schedule().with_columns(next_open_at=pl.col("open_at").shift(-1))
    own = calendar.filter(pl.col("session").is_between(first, last))
    if own["next_open_at"].null_count():
        raise OptionsDataError(f"expected bars before the last session of the calendar, found {last}")
    columns = own.select("session", "open_at", "close_at", "next_open_at")
    return [Session(*row) for row in columns.iter_rows()]


def _hours(sessions: list[Session]) -> pl.DataFrame:
    utc = pl.Datetime("us", "UTC")
    schema: dict[str, Any] = {"session": pl.Date, "opens": utc, "closes": utc, "next_open_at": utc}
    rows = [(item.day, item.open_at, item.close_at, item.next_open_at) for item in sessions]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _in_time(frame: pl.DataFrame, hours: pl.DataFrame) -> pl.DataFrame:
    return (
        frame.join(hours.select("session", "next_open_at"), on="session", how="inner", maintain_order="left")
        .filter(pl.col("known_at") < pl.col("next_open_at"))
        .drop("next_open_at")
    )


def _by_session(frame: pl.DataFrame) -> dict[dt.date, pl.DataFrame]:
    parts = frame.sort("session", "contract").partition_by("session", as_dict=True, maintain_order=True)
    return {key[0]: part for key, part in parts.items()}


def _with_columns(name: str, frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise OptionsDataError(f"{name}: expected columns {columns}, found none of {missing}")
    if frame["known_at"].null_count():
        raise OptionsDataError(f"{name}: expected known_at in every row, found {frame['known_at'].null_count()} nulls")
    return frame


def _quotes(quotes: pl.DataFrame, symbols: list[str]) -> pl.DataFrame:
    frame = _with_columns("quotes", quotes, QUOTE_COLUMNS).select(QUOTE_COLUMNS).with_columns(contract=contract_names())
    checks = {
        "underlyings with bars": ~pl.col("symbol").is_in(symbols),
        "strikes in thousandths of a dollar": ((pl.col("strike") * 1000) - (pl.col("strike") * 1000).round()).abs()
        > 1e-6,
        "whole multipliers": pl.col("multiplier") != pl.col("multiplier").round(),
        "one quote per contract and session": pl.struct("session", "contract").is_duplicated(),
        "finite prices, not below 0": pl.any_horizontal(
            (pl.col(name) < 0) | ~pl.col(name).is_finite() for name in ("bid", "ask")
        ),
    }
    for wanted, is_bad in checks.items():
        bad = frame.filter(is_bad)
        if bad.height:
            row = bad.sort("session", "contract").row(0, named=True)
            raise OptionsDataError(
                f"quotes: expected {wanted}, found {bad.height} rows otherwise, first {row['contract']} of "
                f"{row['session']}"
            )
    return frame


def _settlements(settlements: pl.DataFrame | None) -> dict[tuple[str, dt.date], tuple[float, dt.datetime]]:
    if settlements is None:
        return {}
    columns = ["root", "session", "value", "known_at"]
    frame = _with_columns("settlements", settlements, columns).select(columns)
    if frame.select("root", "session").is_duplicated().any():
        raise OptionsDataError("settlements: expected one value per root and session, found several")
    if not (frame["value"].is_finite() & (frame["value"] > 0)).fill_null(False).all():
        raise OptionsDataError("settlements: expected finite values above 0, found others")
    return {(root, day): (value, known_at) for root, day, value, known_at in frame.iter_rows()}
