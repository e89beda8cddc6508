"""Readable twins of the macro features, and a number of each that was worked out by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import polars as pl

from gnosis.features.macro import macro
from gnosis.sessions import schedule
from tests.gnosis.features.seen import CALENDAR, RANK, Seen

Observation = tuple[str, dt.date, dt.datetime, float]

AGES = {
    "macro_fed_funds_rate": 5,
    "macro_yield_curve": 5,
    "macro_inflation_rate": 330,
    "macro_unemployment_rate": 80,
    "macro_gdp_growth": 170,
    "macro_credit_spread": 5,
}
"""Sessions in which the oldest reference date may lie, the current one included."""


def vintage(seen: Seen, series: str) -> dict[dt.date, float]:
    """Return the values by reference date as they stood at as_of, but not after the close of the session."""
    close_at = schedule().filter(pl.col("session") == seen.session)["close_at"].item()
    known = [row for row in seen.rows("raw.macro", series_id=series) if row["known_at"] <= close_at]
    return {row["ref_date"]: row["value"] for row in sorted(known, key=lambda row: row["known_at"])}


def is_fresh(seen: Seen, reference: dt.date, sessions: int) -> bool:
    return reference >= CALENDAR[RANK[seen.session] - sessions + 1]


def latest(name: str, series: str) -> Callable[[Seen], float | None]:
    def twin(seen: Seen) -> float | None:
        values = vintage(seen, series)
        if not values or not is_fresh(seen, max(values), AGES[name]):
            return None
        return values[max(values)]

    return twin


def yield_curve(seen: Seen) -> float | None:
    long, short = vintage(seen, "DGS10"), vintage(seen, "DGS2")
    both = long.keys() & short.keys()
    if not both or not is_fresh(seen, max(both), AGES["macro_yield_curve"]):
        return None
    return long[max(both)] - short[max(both)]


def inflation_rate(seen: Seen) -> float | None:
    prices = vintage(seen, "CPIAUCSL")
    if not prices:
        return None
    month = max(prices)
    base = month.replace(year=month.year - 1)
    if base not in prices or not is_fresh(seen, base, AGES["macro_inflation_rate"]):
        return None
    return 100 * (prices[month] / prices[base] - 1)


TWINS: dict[str, Callable[[Seen], object]] = {
    "macro_fed_funds_rate": latest("macro_fed_funds_rate", "DFF"),
    "macro_yield_curve": yield_curve,
    "macro_inflation_rate": inflation_rate,
    "macro_unemployment_rate": latest("macro_unemployment_rate", "UNRATE"),
    "macro_gdp_growth": latest("macro_gdp_growth", "A191RL1Q025SBEA"),
    "macro_credit_spread": latest("macro_credit_spread", "BAA10Y"),
}


def published(day: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{day}T12:30:00+00:00")


def told(name: str, *observations: Observation) -> object:
    """Return the feature on 2016-06-30 of the observations."""
    schema = {"series_id": pl.String, "ref_date": pl.Date, "known_at": pl.Datetime("us", "UTC"), "value": pl.Float64}
    rows = pl.DataFrame(list(observations), schema=schema, orient="row").with_columns(
        provider=pl.lit("agency"), synthetic=pl.lit(value=False)
    )
    today = schedule().filter(pl.col("session") == dt.date(2016, 6, 30))
    keys = today.select("session", symbol=pl.lit("SPY"), as_of="close_at")
    return macro(keys, rows)[name].item()


TUESDAY, WEDNESDAY = dt.date(2016, 6, 28), dt.date(2016, 6, 29)
YESTERDAY, TOMORROW = published("2016-06-29"), published("2016-07-01")

NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    # The value of Wednesday is published on Friday.
    "macro_fed_funds_rate": lambda: (
        told("macro_fed_funds_rate", ("DFF", TUESDAY, YESTERDAY, 0.41), ("DFF", WEDNESDAY, TOMORROW, 0.30)),
        0.41,
    ),
    # Of Wednesday only one yield is known; on Tuesday 1.46 - 0.61 = 0.85.
    "macro_yield_curve": lambda: (
        told(
            "macro_yield_curve",
            ("DGS10", TUESDAY, YESTERDAY, 1.46),
            ("DGS2", TUESDAY, YESTERDAY, 0.61),
            ("DGS10", WEDNESDAY, YESTERDAY, 9.99),
        ),
        0.85,
    ),
    # First prints 210/200; both were revised to 103/100, which is 3 %. 103/200 and 210/100 would mix vintages.
    "macro_inflation_rate": lambda: (
        told(
            "macro_inflation_rate",
            ("CPIAUCSL", dt.date(2015, 5, 1), published("2015-06-18"), 200.0),
            ("CPIAUCSL", dt.date(2016, 5, 1), published("2016-06-16"), 210.0),
            ("CPIAUCSL", dt.date(2015, 5, 1), published("2016-06-28"), 100.0),
            ("CPIAUCSL", dt.date(2016, 5, 1), published("2016-06-28"), 103.0),
        ),
        3.0,
    ),
    # The revision of April came last and does not replace May.
    "macro_unemployment_rate": lambda: (
        told(
            "macro_unemployment_rate",
            ("UNRATE", dt.date(2016, 5, 1), published("2016-06-03"), 4.7),
            ("UNRATE", dt.date(2016, 4, 1), YESTERDAY, 5.1),
        ),
        4.7,
    ),
    # Estimates of the first quarter of 2016 as the BEA published them: 0.5, 0.8, then 1.1 % on 28 June.
    "macro_gdp_growth": lambda: (
        told(
            "macro_gdp_growth",
            *(
                ("A191RL1Q025SBEA", dt.date(2016, 1, 1), published(day), rate)
                for day, rate in (("2016-04-28", 0.5), ("2016-05-27", 0.8), ("2016-06-28", 1.1))
            ),
        ),
        1.1,
    ),
    # The date of a week before would be 6 sessions old.
    "macro_credit_spread": lambda: (
        told("macro_credit_spread", ("BAA10Y", dt.date(2016, 6, 24), YESTERDAY, 2.99)),
        2.99,
    ),
}
