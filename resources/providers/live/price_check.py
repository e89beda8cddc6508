"""The price check: two services are asked for the same price, and where they disagree a third decides.

Only like is compared with like: bars and levels of the same symbol, session and instant, tickers whose instants lie
within seconds of each other. What is taken is always a whole row of one service: no price is averaged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from resources.providers.live.quality import SERVICES_JOINED, as_events, merged, no_events
from resources.providers.protocol import conform

PRICES = {
    "raw.equity_bars": "close",
    "raw.index_levels": "close",
    "raw.crypto_bars": "close",
    "raw.crypto_tickers": "last",
}
"""Tables that are checked, and the price by which."""

TICKERS = "raw.crypto_tickers"
TOLERANCE = 0.02
"""Relative distance up to which two prices agree, this distance included."""

SAME_INSTANT_S = 30.0
ROUNDING = 1e-9
KEY = ["symbol", "session", "ts"]


@dataclass(frozen=True)
class Checked:
    """The rows taken, one for each of the preferred service; and what remained in doubt."""

    frame: pl.DataFrame
    events: pl.DataFrame


def check_prices(
    table: str,
    preferred: pl.DataFrame,
    second: pl.DataFrame,
    third_of: Callable[[pl.DataFrame], pl.DataFrame],
    *,
    known_at: dt.datetime,
    alone: str | pl.DataFrame,
    tolerance: float = TOLERANCE,
    same_instant_s: float = SAME_INSTANT_S,
) -> Checked:
    """Compare the preferred rows with those of other services.

    Up to ``tolerance`` apart, relative to the preferred price: the preferred row, no event. Further apart: the row
    whose price is the median of three, event ``price_disagreement``; without a third answer the preferred row, event
    ``unverified``. Without a second answer: the preferred row, event ``unverified``.

    Parameters
    ----------
    table
        One of :data:`PRICES`.
    preferred, second
        Rows of the table, one per key; those of ``second`` may come from several services, or be none. Of rows of
        others with one key the first counts.
    third_of
        Called at most once, with the preferred rows that are in dispute and the service that disagrees in the column
        ``disputed_by``; returns rows of other services, or none.
    known_at
        When the answers were received.
    alone
        Why there is no second answer, for the events: of all rows, or ``symbol``, ``session`` and ``alone`` of those
        that have none.
    same_instant_s
        Seconds that the instants of two tickers may lie apart.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> close_at = dt.datetime(2012, 12, 28, 21, tzinfo=dt.UTC)
    >>> def level(provider, close):
    ...     given = {"session": [close_at.date()], "symbol": ["^VIX"], "close": [close], "provider": [provider]}
    ...     rows = pl.DataFrame(given | {"ts": [close_at], "known_at": [close_at], "synthetic": [False]})
    ...     return conform(rows.with_columns(open=None, high=None, low=None), "raw.index_levels")
    >>> third = lambda _: level("c", 20.1)
    >>> checked = check_prices(
    ...     "raw.index_levels", level("a", 2.0), level("b", 20.0), third, known_at=close_at, alone=""
    ... )
    >>> checked.frame["provider"].item(), checked.events.select("kind", "chosen", "largest_deviation").rows()
    ('b', [('price_disagreement', 'b', 0.9)])
    """
    price = PRICES[table]
    limit = tolerance + ROUNDING
    rows = preferred.with_row_index("row")
    cells = rows.select("row", *KEY, p=price, p_by="provider")
    cells = _beside(cells, second, table, "s", same_instant_s)
    is_disputed = ((pl.col("s") - pl.col("p")).abs() > limit * pl.col("p").abs()).fill_null(False)
    cells = cells.with_columns(is_disputed=is_disputed)
    disputed = cells.filter("is_disputed")
    third = preferred.clear()
    if not disputed.is_empty():
        third = third_of(rows.join(disputed.select("row", disputed_by="s_by"), on="row").drop("row"))
    cells = _beside(cells, third, table, "t", same_instant_s).with_columns(
        median=pl.when("is_disputed").then(pl.concat_list("p", "s", "t").list.sort().list.get(1, null_on_oob=True))
    )
    is_decided = pl.col("is_disputed") & pl.col("t").is_not_null()
    cells = cells.with_columns(
        is_decided=is_decided,
        of=pl.when(~is_decided | (pl.col("median") == pl.col("p")))
        .then(pl.lit("p"))
        .when(pl.col("median") == pl.col("s"))
        .then(pl.lit("s"))
        .otherwise(pl.lit("t")),
    )
    taken = pl.concat(
        [
            preferred[cells.filter(of="p")["row"]],
            second[cells.filter(of="s")["s_row"]],
            third[cells.filter(of="t")["t_row"]],
        ]
    )
    return Checked(conform(taken, table), _events(cells, table, known_at, _silent(cells, second, alone)))


def unverified(table: str, rows: pl.DataFrame, alone: str | pl.Expr, known_at: dt.datetime | pl.Expr) -> pl.DataFrame:
    """Return the events of rows that one service gave and no other confirmed.

    Parameters
    ----------
    alone, known_at
        The reason and the receipt: of all rows, or of each.
    """
    said = rows.select(
        "session", "symbol", _literal(alone, "alone"), _literal(known_at, "at"), p=PRICES[table], p_by="provider"
    )
    return as_events(_single(said), table, "unverified", pl.col("at"))


def _literal(value: object, name: str) -> pl.Expr:
    return (value if isinstance(value, pl.Expr) else pl.lit(value)).alias(name)


def _beside(cells: pl.DataFrame, other: pl.DataFrame, table: str, name: str, same_instant_s: float) -> pl.DataFrame:
    given = other.with_row_index(f"{name}_row").select(
        *KEY, f"{name}_row", pl.col(PRICES[table]).alias(name), pl.col("provider").alias(f"{name}_by")
    )
    given = given.unique(KEY, keep="first", maintain_order=True)
    if table != TICKERS:
        return cells.join(given, on=KEY, how="left", maintain_order="left")
    beside = cells.sort("ts", maintain_order=True).join_asof(
        given.sort("ts", maintain_order=True),
        on="ts",
        by=["symbol", "session"],
        strategy="nearest",
        tolerance=dt.timedelta(seconds=same_instant_s),
        check_sortedness=False,
    )
    return beside.sort("row")


def _silent(cells: pl.DataFrame, second: pl.DataFrame, alone: str | pl.DataFrame) -> pl.DataFrame:
    # The cells without a second price, each with why.
    on = ["symbol", "session"]
    single = cells.filter(pl.col("s").is_null())
    if isinstance(alone, str):
        single = single.with_columns(alone=pl.lit(alone))
    else:
        single = single.join(alone, on=on, how="left", maintain_order="left")
    others = second.group_by(on).agg(spoke=pl.col("provider").unique().sort().str.join(SERVICES_JOINED))
    beside = single.join(others, on=on, how="left", maintain_order="left")
    elsewhen = pl.format("{} gave that of another instant", "spoke")
    priceless = pl.format("{} gave a row without a price", "s_by")
    return beside.with_columns(alone=pl.coalesce(priceless, elsewhen, "alone"))


def _events(cells: pl.DataFrame, table: str, known_at: dt.datetime, silent: pl.DataFrame) -> pl.DataFrame:
    def apart(value: pl.Expr, *others: str) -> pl.Expr:
        distance = pl.max_horizontal((pl.col(other) - value).abs() / value.abs() for other in others)
        return pl.when(distance.is_finite()).then(distance)

    median, kept = pl.col("median"), pl.col("p")
    decided = cells.filter("is_decided").select(
        "session",
        "symbol",
        providers=pl.format("{}+{}+{}", "p_by", "s_by", "t_by"),
        chosen=pl.coalesce(*(pl.when(of=name).then(f"{name}_by") for name in "pst")),
        value=median,
        largest_deviation=apart(median, "p", "s", "t"),
        detail=pl.format("{} says {}, {} says {}, {} says {}; the median is taken", *_said("p", "s", "t")),
    )
    torn = cells.filter(pl.col("is_disputed") & ~pl.col("is_decided")).select(
        "session",
        "symbol",
        providers=pl.format("{}+{}", "p_by", "s_by"),
        chosen="p_by",
        value=kept,
        largest_deviation=apart(kept, "s"),
        detail=pl.format(
            "{} says {}, {} says {}, and no third service answered; the first is kept: look before trusting it",
            *_said("p", "s"),
        ),
    )
    single = _single(silent)
    parts = [
        as_events(rows, table, kind, known_at)
        for rows, kind in ((decided, "price_disagreement"), (torn, "unverified"), (single, "unverified"))
        if not rows.is_empty()
    ]
    return merged(pl.concat(parts)) if parts else no_events()


def _single(cells: pl.DataFrame) -> pl.DataFrame:
    detail = pl.format("only {} gave a price: {}", "p_by", "alone")
    return cells.with_columns(providers="p_by", chosen="p_by", value="p", detail=detail)


def _said(*names: str) -> list[str]:
    return [column for name in names for column in (f"{name}_by", name)]
