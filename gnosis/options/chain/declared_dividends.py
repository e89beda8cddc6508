"""Declared dividends of every expiry, as they were known at its quotes."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import numpy as np
import polars as pl

from gnosis.options.arrays import Flags, Floats, Positions
from gnosis.options.chain.clock import SECONDS_PER_YEAR, opening_of
from gnosis.options.pricing.american import Dividends

MAX_AGE = dt.timedelta(days=365)
LOOKBACK_SESSIONS = 255
"""Sessions before a quote that hold every announcement not too old for it."""


class DeclaredDividends(NamedTuple):
    """Dividends of many expiries, one after the other.

    Attributes
    ----------
    times_years, amounts_usd
        Time from the quote to the opening of the ex-date, and cash per share, in the order of the ex-dates.
    starts
        Expiry i owns the dividends ``starts[i]:starts[i + 1]``.
    provider, synthetic
        Provider of each dividend, and whether it was generated.
    """

    times_years: Floats
    amounts_usd: Floats
    starts: Positions
    provider: pl.Series
    synthetic: Flags

    @property
    def expiry(self) -> Positions:
        """Expiry of each dividend."""
        return np.repeat(np.arange(self.starts.size - 1), np.diff(self.starts))

    def present_value(self, rate_per_year: Floats) -> Floats:
        """Return the present value per expiry, $ per share, at one continuously compounded rate per expiry."""
        value = self.amounts_usd * np.exp(-rate_per_year[self.expiry] * self.times_years)
        return np.bincount(self.expiry, value, self.starts.size - 1).astype(np.float64)

    def of_contracts(self, expiry: Positions) -> Dividends:
        """Return the dividends of contracts, given the expiry of each."""
        lengths = np.diff(self.starts)[expiry]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        chosen = np.arange(starts[-1]) + np.repeat(self.starts[expiry] - starts[:-1], lengths)
        return Dividends(self.times_years[chosen], self.amounts_usd[chosen], starts)


def declared_dividends(expiries: pl.DataFrame, dividends: pl.DataFrame) -> DeclaredDividends:
    """Return the dividends that each expiry's underlying goes without before settlement, as known at the quote.

    Counted are dividends announced at or before the quote, in a session at most 365 days before the quote's, with an
    ex-date after the session and up to the expiry date; of several announcements of one ex-date the latest known. An
    announcement of $0 takes an earlier one back. The age limit lets one night, which reads the last
    :data:`LOOKBACK_SESSIONS` sessions, count what a backfill of years counts.

    Parameters
    ----------
    expiries
        One row per expiry with ``session``, ``symbol``, ``expiry``, ``ts`` and ``tau_years``.
    dividends
        Rows of ``raw.dividends``.

    Examples
    --------
    >>> import datetime as dt
    >>> day, ts = dt.date(2019, 5, 15), dt.datetime(2019, 5, 15, 20, tzinfo=dt.UTC)
    >>> expiry = {"session": day, "symbol": "XYZ", "expiry": dt.date(2019, 6, 14), "ts": ts, "tau_years": 30 / 365}
    >>> told = {"session": day, "symbol": "XYZ", "known_at": ts, "provider": "example", "synthetic": True}
    >>> rows = [told | {"ex_date": dt.date(2019, 6, 7), "amount_usd": 0.5}]
    >>> found = declared_dividends(pl.DataFrame([expiry]), pl.DataFrame(rows))
    >>> found.amounts_usd.tolist(), (found.times_years * 365).round(4).tolist()
    ([0.5], [22.7292])
    """
    numbered = expiries.with_row_index("expiry_number")
    first, last = expiries["session"].min(), expiries["expiry"].max()
    known = (
        dividends.select("symbol", "ex_date", "known_at", "amount_usd", "provider", "synthetic", told_in="session")
        .filter(
            pl.col("ex_date").is_between(first, last, closed="right"),
            pl.col("symbol").is_in(expiries["symbol"].unique().implode()),
        )
        .join(numbered, on="symbol")
        .filter(
            pl.col("known_at") <= pl.col("ts"),
            pl.col("session") - pl.col("told_in") <= MAX_AGE,
            pl.col("ex_date").is_between("session", "expiry", closed="right"),
        )
        .sort("expiry_number", "ex_date", "known_at", "amount_usd", "provider")
        .unique(["expiry_number", "ex_date"], keep="last", maintain_order=True)
        .filter(pl.col("amount_usd") > 0.0)
        .with_columns(
            time_years=(opening_of("ex_date") - pl.col("ts")).dt.total_microseconds() / (1e6 * SECONDS_PER_YEAR)
        )
    )
    lengths = np.bincount(known["expiry_number"].to_numpy(), minlength=expiries.height)
    # An ex-date that is the morning of settlement itself comes just before it.
    latest = np.nextafter(known["tau_years"].to_numpy(), 0.0)
    return DeclaredDividends(
        np.minimum(known["time_years"].to_numpy(), latest),
        known["amount_usd"].to_numpy(),
        np.concatenate([[0], np.cumsum(lengths)]),
        known["provider"],
        known["synthetic"].to_numpy(),
    )
