"""The quotes a volatility surface is fitted to: one accepted volatility per strike, with its bid and ask."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.options.chain.layout import CHAIN, EXPIRY_KEY
from gnosis.options.origin import require_table

LEAST_WIDTH = 0.001
NOT_REJECTED = "oi_missing"


def surface_quotes(greeks: pl.DataFrame) -> pl.DataFrame:
    """Return one row per strike with a volatility of its own, sorted by surface, time to settlement, expiry and strike.

    Call and put of a strike share their volatility; the out-of-the-money row stands for both. Adjusted contracts are
    left out, and so are strikes of which neither the volatility of the bid nor that of the ask is known: their price
    has no known precision.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks``, any number of sessions and symbols, in any order.

    Returns
    -------
    polars.DataFrame
        ``session``, ``symbol``, ``expiry``, ``settlement``, ``root``, ``strike``, ``spot``, ``tau_years``, ``forward``,
        ``discount`` (those of the latest quote of the expiry), ``log_moneyness`` = ln(K/F), ``iv``, ``iv_bid`` (0 where
        unknown), ``iv_ask`` (infinite where unknown) and ``width``, the volatility of the ask minus that of the bid, at
        least 0.1 vol point. Where one of the two is unknown, ``width`` is twice the distance from iv to the other.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> surface_quotes(TABLES["greeks.option_greeks"].empty()).height
    0
    """
    require_table(greeks, "greeks.option_greeks")
    is_whole = (pl.col("deliverable_shares") == pl.col("multiplier")).fill_null(True)
    is_out = (pl.col("right") == "C") == (pl.col("strike") >= pl.col("forward"))
    one_sided = pl.coalesce(pl.col("iv_ask") - pl.col("iv"), pl.col("iv") - pl.col("iv_bid"))
    known = pl.all_horizontal(pl.col("iv", "forward", "discount").is_not_null())
    # The out-of-the-money row first; only a strike that lists nothing else is represented by its other row.
    rows = (
        greeks.filter((pl.col("iv_source") == "own") & is_whole & known)
        .with_columns(is_in=~is_out, width=pl.coalesce(pl.col("iv_ask") - pl.col("iv_bid"), 2 * one_sided))
        .filter(pl.col("width").is_not_null())
        .sort([*EXPIRY_KEY, "strike", "is_in", "right"])
        .unique([*EXPIRY_KEY, "strike"], keep="first", maintain_order=True)
    )
    latest = ["spot", "tau_years", "forward", "discount"]
    return (
        rows.with_columns(pl.col(latest).sort_by("ts", "strike").last().over(EXPIRY_KEY))
        .select(
            *EXPIRY_KEY,
            "strike",
            *latest,
            "iv",
            log_moneyness=pl.Series(np.log(rows["strike"].to_numpy() / rows["forward"].to_numpy())),
            iv_bid=pl.col("iv_bid").fill_null(0.0),
            iv_ask=pl.col("iv_ask").fill_null(float("inf")),
            width=pl.max_horizontal("width", pl.lit(LEAST_WIDTH)),
        )
        .sort([*CHAIN, "tau_years", "expiry", "settlement", "root", "strike"])
    )


def rejected_by_code(greeks: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return ``n_rejected_by_code`` of groups of rows: a JSON object of reasons, sorted by name, and their counts.

    Rows whose only fault is an unknown open interest are not rejected.

    Examples
    --------
    >>> rows = pl.DataFrame({"symbol": ["A"] * 4, "reason": ["wide", "stale", "wide", None]})
    >>> rejected_by_code(rows, ["symbol"]).row(0)
    ('A', '{"stale":1,"wide":2}')
    """
    code = pl.col("reason").cast(pl.String)
    counts = greeks.filter(code != NOT_REJECTED).group_by(*by, code).len().sort(*by, "reason")
    joined = counts.group_by(by, maintain_order=True).agg(
        n_rejected_by_code=pl.format('"{}":{}', "reason", "len").str.join(",")
    )
    return (
        greeks.select(by)
        .unique()
        .sort(by)
        .join(joined, on=by, how="left", maintain_order="left")
        .with_columns(
            pl.concat_str(pl.lit("{"), pl.col("n_rejected_by_code").fill_null(""), pl.lit("}")).alias(
                "n_rejected_by_code"
            )
        )
    )
