"""The orders of a run and the bars they met, in a form that any engine can replay."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from gnosis.sessions import schedule

AT_THE_OPEN = ("market", "opening_auction")
PRICES = ("open", "high", "low", "close", "volume")


def order_tape(fills: pl.DataFrame, configuration: Mapping[str, object]) -> pl.DataFrame:
    """Return the orders of a run as any engine can replay them: what was filled in a session, eligible from its open.

    Participation is part of the tape: an order that filled over several sessions is several rows.

    Parameters
    ----------
    fills
        Rows of ``backtests.fills`` of one run.
    configuration
        That of the run: fees and slippage in proportion to the price come from there, any other from the fills.

    Returns
    -------
    polars.DataFrame
        ``tape_number``, ``session``, ``symbol``, ``kind``, ``quantity_shares`` (signed), ``price`` ($; null for an
        order that gets the open of its bar, given where the engine's own rule found it), ``slippage_ratio`` (of the
        price before slippage) and ``fee_ratio`` (of the traded value).

    Examples
    --------
    >>> import datetime as dt
    >>> fills = pl.DataFrame({"fill_number": [0], "session": [dt.date(2024, 1, 3)], "symbol": ["SPY"],
    ...     "kind": ["market"], "quantity_shares": [100.0], "reference_price": [101.0], "fill_price": [101.0505],
    ...     "fee_usd": [10.10505]})
    >>> costs = {"slippage": "proportional", "slippage_bps": 5.0, "fee_bps": 10.0, "cost_multiple": 1.0}
    >>> order_tape(fills, costs).select("quantity_shares", "price", "slippage_ratio", "fee_ratio").row(0)
    (100.0, None, 0.0005, 0.001)
    """
    multiple = float(configuration["cost_multiple"])  # type: ignore[arg-type]
    side = pl.col("quantity_shares").sign()
    slippage = side * (pl.col("fill_price") / pl.col("reference_price") - 1)
    if configuration["slippage"] == "proportional":
        slippage = pl.lit(float(configuration["slippage_bps"]) * multiple / 10_000)  # type: ignore[arg-type]
    fee = pl.col("fee_usd") / (pl.col("quantity_shares").abs() * pl.col("fill_price"))
    if _has_one_fee_rate(configuration):
        fee = pl.lit(float(configuration["fee_bps"]) * multiple / 10_000)  # type: ignore[arg-type]
    is_open = pl.col("kind").cast(pl.String).is_in(AT_THE_OPEN)
    return fills.sort("fill_number").select(
        pl.col("fill_number").alias("tape_number"),
        "session",
        "symbol",
        pl.col("kind").cast(pl.String),
        "quantity_shares",
        pl.when(is_open).then(None).otherwise("reference_price").alias("price"),
        slippage.alias("slippage_ratio"),
        fee.alias("fee_ratio"),
    )


def _has_one_fee_rate(configuration: Mapping[str, object]) -> bool:
    per_share = ("commission_usd_per_share", "trading_activity_usd_per_share")
    is_dated = configuration.get("regulatory_fees", "in_fee_bps") != "in_fee_bps"
    return not is_dated and all(configuration.get(name) is None for name in per_share)


def replay_bars(bars: pl.DataFrame, equity: pl.DataFrame, tape: pl.DataFrame) -> pl.DataFrame:
    """Return one bar for each session of the run and traded symbol, as every engine is given them.

    A missing bar repeats the close before it; before the first bar of a symbol all is null. No order of the tape meets
    a missing bar unless it has its price with it.
    """
    symbols = tape["symbol"].unique().sort()
    sessions = schedule().filter(pl.col("session").is_between(equity["session"].min(), equity["session"].max()))
    grid = sessions.select("session").join(pl.DataFrame({"symbol": symbols}), how="cross")
    known = bars.filter(pl.col("session") <= equity["session"].max()).select("session", "symbol", *PRICES)
    close = pl.coalesce("close", "before").forward_fill().over("symbol", order_by="session")
    last_before = (
        known.filter(pl.col("session") < equity["session"].min())
        .sort("session")
        .group_by("symbol")
        .agg(pl.col("close").last().alias("before"))
    )
    rows = grid.join(known, on=["session", "symbol"], how="left").join(last_before, on="symbol", how="left")
    rows = rows.sort("symbol", "session").with_columns(close=close)
    return rows.select(
        "session",
        "symbol",
        *(pl.coalesce(name, "close") for name in ("open", "high", "low")),
        "close",
        # Engines skip a bar without volume; how much of it an order took is already part of the tape.
        pl.when(pl.col("volume") > 0).then("volume").otherwise(1.0).alias("volume"),
    ).sort("session", "symbol")
