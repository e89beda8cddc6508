"""Regulatory fees on sales of US shares, by date: only rates that a published notice states, each with its source.

Between the periods of the table a rate is not known here. It is never carried over or guessed: a run gives its own rate
for such days, or says ``regulatory_fees_unknown``.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeePeriod:
    """A rate with the days on which it is known to hold, both inclusive.

    Attributes
    ----------
    first, last
        Trade dates.
    rate
        $ per million $ sold for Section 31; $ per share sold for the Trading Activity Fee.
    cap_usd
        Most that one trade pays; None for no cap.
    source
        Notice that states the rate and the days.
    """

    first: dt.date
    last: dt.date
    rate: float
    cap_usd: float | None
    source: str


def _period(first: str, last: str, rate: float, source: str, cap_usd: float | None = None) -> FeePeriod:
    return FeePeriod(dt.date.fromisoformat(first), dt.date.fromisoformat(last), rate, cap_usd, source)


SECTION_31 = (
    _period("2012-11-15", "2013-03-27", 22.40, "SEC Fee Rate Advisory 2 for fiscal year 2013"),
    _period("2014-03-18", "2014-09-30", 22.10, "FINRA Information Notice 3/3/14"),
    _period("2016-03-15", "2016-09-30", 21.80, "FINRA Information Notice 3/15/16"),
    _period("2019-03-12", "2019-04-15", 13.00, "SEC Fee Rate Advisory 2 for fiscal year 2019"),
    _period("2019-04-16", "2020-02-17", 20.70, "SEC Fee Rate Advisory 2 for fiscal year 2019; FINRA Notice 2/3/20"),
    _period("2020-02-18", "2021-02-24", 22.10, "FINRA Information Notices 2/3/20 and 2/16/21"),
    _period("2021-02-25", "2021-02-25", 5.10, "FINRA Information Notice 2/16/21; its last day is not stated"),
    _period("2025-04-24", "2025-05-13", 27.80, "FINRA Information Notice 4/24/25"),
    _period("2025-05-14", "2025-09-30", 0.00, "FINRA Information Notice 4/24/25"),
)
"""Fee of Section 31 of the Securities Exchange Act, $ per million $ of covered sales."""

TRADING_ACTIVITY = (
    _period("2011-07-01", "2012-02-29", 0.000090, "FINRA Regulatory Notices 11-27 and 12-06", cap_usd=4.50),
    _period("2012-03-01", "2012-03-01", 0.000095, "FINRA Regulatory Notice 12-06; its last day is not stated", 4.75),
)
"""FINRA Trading Activity Fee, $ per share of covered equity sold, at most ``cap_usd`` a trade."""


def rate_on(periods: tuple[FeePeriod, ...], day: dt.date) -> FeePeriod | None:
    """Return the period that covers ``day``; None when no notice is on file.

    Examples
    --------
    >>> rate_on(SECTION_31, dt.date(2020, 3, 2)).rate, rate_on(SECTION_31, dt.date(2023, 3, 1))
    (22.1, None)
    """
    return next((period for period in periods if period.first <= day <= period.last), None)


def sale_fee_usd(
    value_usd: float,
    quantity_shares: float,
    day: dt.date,
    *,
    section_31_usd_per_million: float | None = None,
    trading_activity_usd_per_share: float | None = None,
) -> tuple[float, bool]:
    """Return the regulatory fees of one sale in $ and whether both rates are known.

    Parameters
    ----------
    value_usd, quantity_shares
        Size of the sale, both positive.
    day
        Trade date.
    section_31_usd_per_million, trading_activity_usd_per_share
        Rates of the run; None takes those of the tables, and leaves out one that is not known.

    Examples
    --------
    >>> sale_fee_usd(10_000.0, 100.0, dt.date(2020, 3, 2), trading_activity_usd_per_share=0.000119)
    (0.2329, True)
    >>> sale_fee_usd(10_000.0, 100.0, dt.date(2020, 3, 2))
    (0.221, False)
    """
    fee, is_known = 0.0, True
    if section_31_usd_per_million is None:
        period = rate_on(SECTION_31, day)
        is_known = period is not None
        fee += 0.0 if period is None else value_usd * period.rate / 1e6
    else:
        fee += value_usd * section_31_usd_per_million / 1e6
    if trading_activity_usd_per_share is None:
        period = rate_on(TRADING_ACTIVITY, day)
        is_known = is_known and period is not None
        if period is not None:
            amount = quantity_shares * period.rate
            fee += amount if period.cap_usd is None else min(amount, period.cap_usd)
    else:
        fee += quantity_shares * trading_activity_usd_per_share
    return round(fee, 8), is_known
