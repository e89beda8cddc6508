"""Splits and cash dividends read off the steps of the forward-anchored adjustment factor.

Between two bars of a symbol the factor moves by ``split / (1 - D/C)``: ``split`` new shares for each old one, ``D`` the
dividend and ``C`` the close before the ex-date, both per old share. One number cannot say which of the two happened, so
this rule decides: a step within 0.01 % below or 2 % above a usual split ratio is that split, and what is left of the
step is a dividend of the same day; any other rise is a cash dividend. Between 1.2 and the next ratio that makes a large
special dividend, worth the same on the ex-date as the shares would be. A fall that fits no reverse split is refused.
"""

from __future__ import annotations

from fractions import Fraction

import polars as pl

_FORWARD = [
    Fraction(5, 4),
    Fraction(4, 3),
    Fraction(3, 2),
    *map(Fraction, (2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 50)),
]
_REVERSE = [Fraction(1, n) for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 100)]
SPLIT_RATIOS = sorted(_FORWARD + _REVERSE)
_BELOW, _ABOVE = 1e-4, 0.02
_NOISE = 1e-6


def corporate_actions(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the splits and dividends between consecutive bars of each symbol.

    Parameters
    ----------
    bars
        Columns ``session``, ``symbol``, ``close`` ($, as traded) and ``adjustment_factor``, one row per key.

    Returns
    -------
    polars.DataFrame
        ``session`` (the ex-date, before whose open it acts), ``symbol``, ``split_numerator``, ``split_denominator``
        (int; 1 and 1 when there is none) and ``dividend_usd`` ($ per share held after the split), sorted by session
        and symbol. A step that meets a missing bar acts at the next bar there is.

    Raises
    ------
    ValueError
        When a factor falls and no reverse split explains it.

    Examples
    --------
    >>> import datetime as dt
    >>> days = [dt.date(2014, 6, day) for day in (5, 6, 9)]
    >>> bars = pl.DataFrame({"session": days, "symbol": "AAPL", "close": [650.0, 645.0, 93.7],
    ...                      "adjustment_factor": [1.0, 1.005, 7.035]})
    >>> corporate_actions(bars).select("split_numerator", pl.col("dividend_usd").round(4)).rows()
    [(1, 3.2338), (7, 0.0)]
    """
    steps = (
        bars.select("session", "symbol", "close", "adjustment_factor")
        .sort("symbol", "session")
        .with_columns(
            step=pl.col("adjustment_factor") / pl.col("adjustment_factor").shift(1).over("symbol"),
            close_before=pl.col("close").shift(1).over("symbol"),
        )
        .filter((pl.col("step") - 1).abs() > _NOISE)
    )
    ratio = pl.lit(1.0)
    numerator, denominator = pl.lit(1), pl.lit(1)
    for split in SPLIT_RATIOS:
        is_split = pl.col("step").is_between(float(split) * (1 - _BELOW), float(split) * (1 + _ABOVE))
        ratio = pl.when(is_split).then(float(split)).otherwise(ratio)
        numerator = pl.when(is_split).then(split.numerator).otherwise(numerator)
        denominator = pl.when(is_split).then(split.denominator).otherwise(denominator)
    named = steps.with_columns(
        ratio=ratio, split_numerator=numerator.cast(pl.Int64), split_denominator=denominator.cast(pl.Int64)
    ).with_columns(left=pl.col("step") / pl.col("ratio"))
    broken = named.filter((pl.col("ratio") == 1) & (pl.col("left") < 1))
    if broken.height:
        row = broken.row(0, named=True)
        raise ValueError(
            f"expected adjustment factors that rise, or fall by a reverse split such as 1/10; found a step of "
            f"{row['step']:.6g} for {row['symbol']} at {row['session']} ({broken.height} in all): correct the factor"
        )
    return named.select(
        "session",
        "symbol",
        "split_numerator",
        "split_denominator",
        # What rounding leaves of a split's step is not a dividend.
        dividend_usd=pl.when((pl.col("ratio") != 1) & ((pl.col("left") - 1).abs() <= _BELOW))
        .then(0.0)
        .otherwise(pl.col("close_before") / pl.col("ratio") * (1 - 1 / pl.col("left"))),
    ).sort("session", "symbol")
