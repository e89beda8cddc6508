"""Option contracts: their names, when they stop trading and settle, and what they are worth when exercised."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from gnosis.sessions import schedule

STANDARD_MULTIPLIER = 100.0
THOUSANDTHS = 1000


class OptionsDataError(ValueError):
    """Quotes, bars or settlements that an options backtest cannot use."""


@dataclass(frozen=True, slots=True)
class Contract:
    """One listed contract.

    Attributes
    ----------
    name
        Root, expiry, right and strike as the clearing house writes them, without spaces.
    underlying, root
        Symbols of the underlying and of the option class.
    expiry
        Expiry date as listed.
    settlement
        ``am`` on the special opening quotation, ``pm`` on the official close.
    right
        ``C`` or ``P``.
    strike
        $ per share.
    multiplier
        Shares per contract.
    is_american
        True when it can be exercised before expiry.
    settles_on
        Session in which it settles: the expiry, or the session before when that is none.
    """

    name: str
    underlying: str
    root: str
    expiry: dt.date
    settlement: Literal["am", "pm"]
    right: Literal["C", "P"]
    strike: float
    multiplier: int
    is_american: bool
    settles_on: dt.date

    @property
    def is_call(self) -> bool:
        """True for a call."""
        return self.right == "C"

    def intrinsic(self, price: float) -> float:
        """Return what exercise pays at ``price``, $ per share."""
        return max(price - self.strike if self.is_call else self.strike - price, 0.0)

    def trades_in(self, session: dt.date) -> bool:
        """Return whether it trades in a session: morning-settled contracts stop in the session before settlement."""
        return session < self.settles_on or (session == self.settles_on and self.settlement == "pm")


def contract_symbol(root: str, expiry: dt.date, right: str, strike: float) -> str:
    """Return the name of a contract.

    Examples
    --------
    >>> contract_symbol("SPXW", dt.date(2019, 5, 17), "C", 2900.0)
    'SPXW190517C02900000'
    """
    return f"{root}{expiry:%y%m%d}{right}{round(strike * THOUSANDTHS):08d}"


def contract_names() -> pl.Expr:
    """Return :func:`contract_symbol` of the rows of ``raw.option_quotes`` or ``greeks.option_greeks``."""
    return pl.concat_str(
        pl.col("root"),
        pl.col("expiry").dt.strftime("%y%m%d"),
        pl.col("right").cast(pl.String),
        (pl.col("strike") * THOUSANDTHS).round().cast(pl.Int64).cast(pl.String).str.zfill(8),
    )


def settlement_session(expiry: dt.date) -> dt.date:
    """Return the last exchange session up to an expiry date; the date itself beyond the known calendar.

    Examples
    --------
    The monthly contracts of 2014 expired on Saturdays:

    >>> settlement_session(dt.date(2014, 6, 21)).isoformat()
    '2014-06-20'
    """
    days = schedule()["session"]
    if expiry > days[-1]:
        return expiry
    return days[int(days.search_sorted(expiry, side="right")) - 1]


def contract_of(row: dict[str, Any]) -> Contract:
    """Return the contract of a row of ``raw.option_quotes`` with its name as ``contract``."""
    return Contract(
        name=row["contract"],
        underlying=row["symbol"],
        root=row["root"],
        expiry=row["expiry"],
        settlement=row["settlement"],
        right=row["right"],
        strike=row["strike"],
        multiplier=int(row["multiplier"]),
        is_american=row["style"] == "A",
        settles_on=settlement_session(row["expiry"]),
    )


def is_adjusted(row: dict[str, Any]) -> bool:
    """Return whether a contract delivers something else than its multiplier in shares.

    Where the deliverable is not stated, a root that ends in a digit with a multiplier of 100 is how the clearing house
    marks such contracts.
    """
    stated = row["deliverable_shares"]
    if stated is not None:
        return bool(stated != row["multiplier"])
    return row["root"][-1].isdigit() and row["multiplier"] == STANDARD_MULTIPLIER
