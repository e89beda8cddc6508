"""Raw and derived tables of the size that the speed of the engines is stated for, filled with random numbers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from gnosis.options.pricing.black_scholes import greeks
from gnosis.sessions import schedule, shift_session
from gnosis.tables import TABLES

RATE = 0.03
MINUTE_US = 60_000_000
PROVIDER = "simulate"


def as_table(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns of a table in their dtypes."""
    schema = TABLES[name].polars_schema
    return frame.with_columns(provider=pl.lit(PROVIDER), synthetic=pl.lit(True)).select(list(schema)).cast(schema)


def calendar(sessions: Sequence[dt.date], symbols: Sequence[str]) -> pl.DataFrame:
    """Return ``symbol``, ``session`` and the instants of each session, sorted."""
    days = schedule().filter(pl.col("session").is_in(list(sessions)))
    return pl.DataFrame({"symbol": sorted(symbols)}).join(days, how="cross").sort("symbol", "session")


def listed_chains(
    sessions: Sequence[dt.date], symbols: Sequence[str], n_expiries: int = 10, n_strikes: int = 100
) -> pl.DataFrame:
    """Return Greeks of n_expiries x n_strikes x 2 contracts per chain, with a skewed smile."""
    rng = np.random.default_rng(1)
    rows = calendar(sessions, symbols).select("symbol", "session", "chain_at")
    rows = rows.join(pl.DataFrame({"dte_days": 3 + 9 * np.arange(n_expiries, dtype=np.int64) ** 2}), how="cross")
    rows = rows.join(pl.DataFrame({"moneyness": np.linspace(0.75, 1.25, n_strikes)}), how="cross")
    rows = rows.join(pl.DataFrame({"right": ["C", "P"]}), how="cross")
    tau = rows["dte_days"].to_numpy() / 365
    spot = np.full(rows.height, 100.0)
    strike = np.round(spot * rows["moneyness"].to_numpy(), 3)
    forward, discount = spot * np.exp(RATE * tau), np.exp(-RATE * tau)
    k = np.log(strike / forward)
    iv = 0.2 - 0.3 * k + 0.8 * k * k
    values = greeks(spot, strike, tau, forward, discount, iv, (rows["right"] == "C").to_numpy())
    before = {day: shift_session(day, -1) for day in sessions}
    frame = rows.with_columns(
        **{name: pl.Series(getattr(values, name)) for name in values._fields[1:]},
        expiry=pl.col("session") + pl.duration(days=pl.col("dte_days")),
        settlement=pl.lit("pm"),
        spot=pl.Series(spot),
        strike=pl.Series(strike),
        root=pl.col("symbol"),
        ts=pl.col("chain_at"),
        mid=pl.Series(values.price),
        tau_years=pl.Series(tau),
        is_tau_floored=pl.lit(False),
        forward=pl.Series(forward),
        forward_source=pl.lit("parity"),
        style=pl.lit("E"),
        exercise_model=pl.lit("closed_form"),
        is_vertical=pl.lit(False),
        is_butterfly=pl.lit(False),
        deliverable_shares=pl.lit(100.0),
        **{name: pl.lit(None, dtype=pl.Float64) for name in ("iv_bid", "iv_ask", "iv_error")},
        discount=pl.Series(discount),
        iv=pl.Series(iv),
        iv_source=pl.lit("own"),
        reason=pl.lit(None, dtype=pl.String),
        open_interest=pl.Series(rng.integers(0, 5000, rows.height).astype(np.float64)),
        oi_session=pl.col("session").replace_strict(before),
        multiplier=pl.lit(100.0),
        known_at=pl.col("chain_at"),
    )
    return as_table("greeks.option_greeks", frame)


def quotes_of(chains: pl.DataFrame) -> pl.DataFrame:
    """Return the quotes behind Greeks: 1 % to both sides of mid."""
    rng = np.random.default_rng(2)
    volume = pl.Series(rng.integers(0, 500, chains.height).astype(np.float64))
    frame = chains.with_columns(
        bid=0.99 * pl.col("mid"), ask=1.01 * pl.col("mid"), bid_size=10.0, ask_size=10.0, volume=volume
    )
    return as_table("raw.option_quotes", frame)


def named(frame: pl.DataFrame, symbols: Sequence[str]) -> pl.DataFrame:
    """Return the rows of one symbol once under each name."""
    names = pl.DataFrame({"symbol": sorted(symbols)})
    return names.join(frame.drop("symbol"), how="cross").select(frame.columns).cast(dict(frame.schema)).rechunk()


def daily_bars(sessions: Sequence[dt.date], symbols: Sequence[str], table: str = "raw.equity_bars") -> pl.DataFrame:
    """Return bars of random walks; of ``raw.index_levels`` too."""
    rng = np.random.default_rng(3)
    rows = calendar(sessions, symbols)
    shape = (len(symbols), rows.height // len(symbols))
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.01, shape), axis=1)).ravel()
    opened = close * np.exp(rng.normal(0, 0.004, close.size))
    reach = np.abs(rng.normal(0, 0.004, (2, close.size)))
    frame = rows.with_columns(
        open=pl.Series(opened),
        high=pl.Series(np.maximum(opened, close) * np.exp(reach[0])),
        low=pl.Series(np.minimum(opened, close) * np.exp(-reach[1])),
        close=pl.Series(close),
        volume=pl.Series(np.round(3e7 * np.exp(rng.normal(0, 0.4, close.size)))),
        ts=pl.col("close_at"),
        known_at=pl.col("close_at"),
        adjustment_factor=pl.lit(1.0),
    )
    return as_table(table, frame)


def intraday_bars(bars: pl.DataFrame, sessions: Sequence[dt.date], minutes: int) -> pl.DataFrame:
    """Return bars of so many minutes of the sessions, around the close of each day."""
    rng = np.random.default_rng(4)
    days = bars.filter(pl.col("session").is_in(list(sessions))).select("symbol", "session", "close", "volume")
    rows = days.join(schedule().select("session", "open_at", "close_at"), on="session", maintain_order="left")
    ends = pl.DataFrame({"minute": np.arange(minutes, 391, minutes)})
    rows = rows.join(ends, how="cross").with_columns(ts=pl.col("open_at") + pl.duration(minutes="minute"))
    rows = rows.filter(pl.col("ts") <= pl.col("close_at"))
    n = rows.height
    close = rows["close"].to_numpy() * np.exp(rng.normal(0, 0.003, n))
    opened = close * np.exp(rng.normal(0, 0.0005, n))
    frame = rows.with_columns(
        frequency=pl.lit(f"{minutes}min"),
        open=pl.Series(opened),
        high=pl.Series(np.maximum(opened, close) * 1.0002),
        low=pl.Series(np.minimum(opened, close) * 0.9998),
        close=pl.Series(close),
        volume=pl.Series(np.round(rows["volume"].to_numpy() * minutes / 390 * rng.uniform(0.2, 1.8, n))),
        known_at=pl.col("ts"),
    )
    return as_table("raw.intraday_bars", frame)


def order_books(
    sessions: Sequence[dt.date], symbols: Sequence[str], snapshots: int = 390, levels: int = 20
) -> pl.DataFrame:
    """Return snapshots of every minute with so many levels on each side."""
    rng = np.random.default_rng(5)
    days = calendar(sessions, symbols)
    n = days.height * snapshots
    walk = np.cumsum(rng.normal(0, 2e-4, (days.height, snapshots)), axis=1).reshape(n, 1, 1)
    steps = np.cumsum(rng.uniform(0.5, 1.5, (n, 2, levels)), axis=2) * 1e-4
    price = 100.0 * np.exp(walk) * (1.0 + steps * np.array([-1.0, 1.0])[:, None])
    opens = np.repeat(days["open_at"].dt.epoch("us").to_numpy(), snapshots)
    ends = opens + MINUTE_US * np.tile(np.arange(1, snapshots + 1), days.height)
    row = np.repeat(np.arange(days.height), snapshots * 2 * levels)
    frame = pl.DataFrame(
        {
            "session": days["session"].gather(row),
            "symbol": days["symbol"].gather(row),
            "close_at": days["close_at"].gather(row),
            "ts": pl.Series(np.repeat(ends, 2 * levels)).cast(pl.Datetime("us", "UTC")),
            "side": pl.Series(["B", "A"], dtype=pl.Enum(["B", "A"])).gather(
                np.tile(np.repeat(np.arange(2), levels), n)
            ),
            "level": np.tile(np.arange(1, levels + 1), 2 * n),
            "price": price.ravel(),
            "size": 3000.0 * rng.integers(1, 20, price.size),
        }
    )
    return as_table("raw.order_books", frame.filter(pl.col("ts") <= pl.col("close_at")).with_columns(known_at="ts"))


def trades(sessions: Sequence[dt.date], symbols: Sequence[str], n: int = 500) -> pl.DataFrame:
    """Return n trades of every session."""
    rng = np.random.default_rng(6)
    rows = calendar(sessions, symbols).join(pl.DataFrame({"number": np.arange(n)}), how="cross")
    frame = rows.with_columns(
        ts=pl.col("open_at") + pl.duration(microseconds=pl.col("number") * (200 * MINUTE_US // n)),
        trade_id=pl.col("number").cast(pl.String),
        price=pl.Series(100.0 * np.exp(rng.normal(0, 0.003, rows.height))),
        size=pl.Series(60_000.0 * rng.uniform(0.2, 1.8, rows.height)),
        aggressor=pl.Series(rng.choice(["buy", "sell"], rows.height)),
    )
    return as_table("raw.trades", frame.with_columns(known_at="ts"))


def short_volume(bars: pl.DataFrame) -> pl.DataFrame:
    """Return off-exchange volume of every daily bar, out two hours after the close."""
    rng = np.random.default_rng(7)
    frame = bars.with_columns(
        total_volume=0.4 * pl.col("volume"),
        short_volume=pl.col("volume") * pl.Series(0.4 * rng.uniform(0.3, 0.7, bars.height)),
        short_exempt_volume=pl.lit(None, dtype=pl.Float64),
        known_at=pl.col("known_at") + pl.duration(hours=2),
    )
    return as_table("raw.short_volume", frame)


def dark_index_levels(sessions: Sequence[dt.date]) -> pl.DataFrame:
    """Return rows of ``raw.dix``."""
    rng = np.random.default_rng(8)
    rows = calendar(sessions, ["-"])
    values = {"dix": rng.uniform(0.38, 0.48, rows.height), "gex": rng.normal(3e9, 2e9, rows.height)}
    known_at = pl.col("close_at") + pl.duration(hours=2)
    return as_table("raw.dix", rows.with_columns(known_at=known_at, **{n: pl.Series(v) for n, v in values.items()}))


def documents(sessions: Sequence[dt.date], symbols: Sequence[str], n: int = 500) -> dict[str, pl.DataFrame]:
    """Return posts, news and their scores, n of each symbol in the 60 hours before each close, a tenth of it news."""
    rng = np.random.default_rng(9)
    rows = calendar(sessions, symbols).join(pl.DataFrame({"number": np.arange(n)}), how="cross")
    m = rows.height
    words = np.array([f"word{i:03d}" for i in range(400)])[rng.integers(0, 400, (12, m))]
    text = words[0]
    for word in words[1:]:
        text = np.char.add(np.char.add(text, " "), word)
    age = pl.Series(rng.integers(1, 60 * 60, m)) * MINUTE_US
    p_pos, p_neg = rng.uniform(0.0, 0.5, (2, m))
    rows = rows.with_columns(
        ts=pl.col("close_at") - pl.duration(microseconds=age),
        kind_of=pl.Series(rng.choice(["news", "x", "reddit", "stocktwits"], m, p=[0.1, 0.2, 0.3, 0.4])),
        id=pl.int_range(pl.len()).cast(pl.String),
        text=pl.Series(text),
        author_hash=pl.Series(rng.integers(0, 300, m)).cast(pl.String),
        outlet=pl.Series(rng.integers(0, 20, m)).cast(pl.String),
        tag=pl.Series(rng.choice(["bullish", "bearish", "none"], m)),
        engagement=pl.Series(rng.integers(0, 300, m)),
        **{
            name: pl.Series(values)
            for name, values in (("p_pos", p_pos), ("p_neg", p_neg), ("p_neu", 1 - p_pos - p_neg))
        },
    )
    rows = rows.with_columns(known_at="ts", text_hash=pl.lit("hash ") + pl.col("id")).drop("session", "close_at")
    days = schedule().select("session", "close_at")
    rows = rows.sort("ts").join_asof(days, left_on="ts", right_on="close_at", strategy="forward")
    is_news = pl.col("kind_of") == "news"
    posts = rows.filter(~is_news).with_columns(source="kind_of", post_id="id", community=pl.lit("stocks"))
    news = rows.filter(is_news).with_columns(
        item_id="id", kind=pl.lit("article"), event_id=pl.lit(None, dtype=pl.String)
    )
    scores = rows.with_columns(
        doc_id="id",
        source="kind_of",
        kind=pl.when(is_news).then(pl.lit("article")).otherwise(pl.lit("post")),
        scorer=pl.lit("finbert"),
        scorer_hash=pl.lit("hash"),
    )
    return {
        "posts": as_table("raw.posts", posts),
        "news": as_table("raw.news", news),
        "scores": as_table("engines.document_scores", scores),
    }


def stored_rows(rows: pl.DataFrame, sessions: Sequence[dt.date]) -> pl.DataFrame:
    """Return the rows of one session once for each of the sessions, their numbers up to some percent away."""
    rng = np.random.default_rng(10)
    closes = schedule().filter(pl.col("session").is_in(list(sessions))).select("session", as_of="close_at")
    frame = closes.join(rows.drop("session", "as_of"), how="cross").with_columns(known_at="as_of")
    noise = pl.Series(1.0 + 0.05 * rng.standard_normal(frame.height))
    numbers = [name for name, dtype in frame.schema.items() if dtype == pl.Float64]
    # Another order of the same noise for each column.
    moved = [(pl.col(name) * noise.gather(rng.permutation(frame.height))).alias(name) for name in numbers]
    return frame.with_columns(moved).select(rows.columns).cast(dict(rows.schema)).rechunk()
