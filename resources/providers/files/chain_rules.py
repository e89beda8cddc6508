"""What a chain says of itself, held against the claims of its file: when it was quoted, and in which units.

A chain here is what one file holds of one symbol and session. Every figure comes from that session alone, its chain and
its bar; nothing is compared with other sessions, so a night judges as a range does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from gnosis.sessions import schedule

if TYPE_CHECKING:
    from resources.providers.files.config import ChainRules

CHAIN = ["session", "symbol"]
HALF_A_CENT = 0.005
LEAST_STRIKES = 3
NO_BAR = "spot|no_bar"
OUTSIDE_BAR = "spot|outside_bar"
LOW_VOLUME = "quote_instant_unknown|volume"
LATE_VARIANCE = "quote_instant_unknown|variance_left"


def with_bar(quotes: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """Add the bar of the session and symbol of each quote, null where there is none.

    ``bar_low``, ``bar_high``, ``bar_close`` ($) and ``bar_known_at``.
    """
    known = bars.select(*CHAIN, bar_low="low", bar_high="high", bar_close="close", bar_known_at="known_at").unique(
        CHAIN, keep="first", maintain_order=True
    )
    return quotes.join(known, on=CHAIN, how="left", maintain_order="left")


def is_spot_of_close() -> pl.Expr:
    """Return the condition that the spot is the close of the bar to the cent: the file was made after the close."""
    return ((pl.col("spot") - pl.col("bar_close")).abs() < HALF_A_CENT).fill_null(False)


def label_chains(quotes: pl.DataFrame, rules: ChainRules) -> pl.Series:
    """Return for each row the rule that its chain breaks, null when it breaks none.

    Parameters
    ----------
    quotes
        Rows of ``raw.option_quotes``, with the columns of :func:`with_bar` where bars are needed: a chain without its
        bar cannot be judged and is set aside.
    rules
        Limits; those that are None are not applied.
    """
    labels = []
    if "bar_close" in quotes.columns:
        labels.append(pl.when(pl.col("bar_close").is_null().any().over(CHAIN)).then(pl.lit(NO_BAR)))
    if rules.spot_within_bar is not None:
        low = pl.col("bar_low") * (1 - rules.spot_within_bar)
        high = pl.col("bar_high") * (1 + rules.spot_within_bar)
        is_outside = (~pl.col("spot").is_between(low, high)).any().over(CHAIN)
        labels.append(pl.when(is_outside).then(pl.lit(OUTSIDE_BAR)))
    if rules.volume_of_open_interest_min is not None:
        volume, held = (pl.col(name).sum().over(CHAIN) for name in ("volume", "open_interest"))
        labels.append(pl.when(volume < rules.volume_of_open_interest_min * held).then(pl.lit(LOW_VOLUME)))
    if rules.variance_left_max is not None:
        left = variance_left(quotes)
        quotes = quotes.join(left, on=CHAIN, how="left", maintain_order="left")
        labels.append(pl.when(pl.col("variance_left") > rules.variance_left_max).then(pl.lit(LATE_VARIANCE)))
    return quotes.select(rule=pl.coalesce(*labels, pl.lit(None, dtype=pl.String)))["rule"]


def variance_left(quotes: pl.DataFrame) -> pl.DataFrame:
    """Return how much of a session's variance is still expected when a chain is quoted: 1 at the open, 0 at the close.

    The expected variance of the price to an expiry is twice the integral of the out-of-the-money prices over the
    strike (Carr & Madan 1998; rates and the forward's distance from spot are left out). That of the afternoon expiry of
    the same day is divided by what the next afternoon expiry adds to it per session.

    Parameters
    ----------
    quotes
        Rows of ``raw.option_quotes``.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``variance_left`` (ratio), sorted; without the chains that cannot be judged: no
        afternoon expiry on the day itself, fewer than three strikes with a bid in one of the two, or nothing added.

    Examples
    --------
    >>> import datetime as dt
    >>> friday, monday = dt.date(2013, 1, 4), dt.date(2013, 1, 7)
    >>> prices = {friday: [0.5, 1.0, 2.0, 1.0, 0.5], monday: [2.0, 3.0, 4.0, 3.0, 2.0]}
    >>> strikes = {"strike": [90.0, 95.0, 100.0, 105.0, 110.0], "right": list("PPCCC")}
    >>> rows = [pl.DataFrame(strikes | {"expiry": day, "bid": bid, "ask": bid}) for day, bid in prices.items()]
    >>> chain = pl.concat(rows).with_columns(session=friday, symbol=pl.lit("AAA"), settlement=pl.lit("pm"), spot=100.0)
    >>> round(variance_left(chain)["variance_left"].item(), 3)
    0.556
    """
    days = schedule().select("session").with_row_index("number")
    number = pl.col("number").cast(pl.Int64)
    is_out = (pl.col("right").cast(pl.String) == "C") == (pl.col("strike") >= pl.col("spot"))
    expiry = [*CHAIN, "expiry"]
    strips = (
        quotes.filter(pl.col("settlement").cast(pl.String) == "pm", pl.col("expiry") >= pl.col("session"))
        .filter((pl.col("expiry") == pl.col("session")).any().over(CHAIN))
        .filter(pl.col("expiry").rank("dense").over(CHAIN) <= 2)
        .filter(is_out, pl.col("bid") > 0, pl.col("ask") >= pl.col("bid"))
        .group_by(*expiry, "strike")
        .agg(mid=((pl.col("bid") + pl.col("ask")) / 2).mean())
        .sort(*expiry, "strike")
        .with_columns(up=pl.col("strike").diff().shift(-1).over(expiry), down=pl.col("strike").diff().over(expiry))
        .with_columns(width=pl.mean_horizontal("up", "down"))
        .group_by(expiry, maintain_order=True)
        .agg(variance=2 * (pl.col("mid") * pl.col("width")).sum(), n_strikes=pl.len())
        .filter(pl.col("n_strikes") >= LEAST_STRIKES)
        .join(days.select(session="session", today=number), on="session")
        .join(days.select(expiry="session", ends=number), on="expiry")
        .sort(expiry)
    )
    of_today = strips.filter(pl.col("ends") == pl.col("today")).select(*CHAIN, today_variance="variance")
    per_session = (pl.col("variance") - pl.col("today_variance")) / (pl.col("ends") - pl.col("today"))
    return (
        strips.filter(pl.col("ends") > pl.col("today"))
        .join(of_today, on=CHAIN, how="inner", maintain_order="left")
        .filter(per_session > 0)
        .select(*CHAIN, variance_left=pl.col("today_variance") / per_session)
    )
