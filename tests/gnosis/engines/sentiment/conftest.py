"""Random walks of daily bars, and the inputs that the processors of the sentiment engine read of them."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from gnosis.engines.intraday_bars import IntradayBars
from gnosis.engines.order_books import OrderBooks
from gnosis.engines.points import DailyBars, daily_points
from gnosis.engines.sentiment.breadth import breadth_at, universe_breadth
from gnosis.engines.sentiment.dark_index import dark_index, dark_index_at
from gnosis.sessions import schedule, sessions_between, shift_session
from gnosis.tables import TABLES

SESSION = dt.date(2019, 5, 1)


def with_columns_of(table, frame):
    schema = TABLES[table].polars_schema
    return frame.select(list(schema)).cast(schema)


def make_walk(symbols=("AAA",), n=330, last=SESSION, seed=1, sigma=0.02, drift=0.0, gaps=0.0):
    """Return bars of random walks; a share ``gaps`` of the sessions has none."""
    days = sessions_between(shift_session(last, 1 - n), last)
    closes = schedule().filter(pl.col("session").is_in(days))["close_at"]
    frames = []
    for symbol in symbols:
        rng = np.random.default_rng([seed, *symbol.encode()])
        close = 100.0 * np.exp(np.cumsum(drift + sigma * rng.standard_normal(n)))
        opened = close * np.exp(0.5 * sigma * rng.standard_normal(n))
        reach = 0.5 * sigma * np.abs(rng.standard_normal((2, n)))
        frame = pl.DataFrame(
            {
                "session": days,
                "symbol": symbol,
                "known_at": closes,
                "provider": "yahoo",
                "synthetic": False,
                "ts": closes,
                "open": opened,
                "high": np.maximum(opened, close) * np.exp(reach[0]),
                "low": np.minimum(opened, close) * np.exp(-reach[1]),
                "close": close,
                "volume": 1e6 * np.exp(0.4 * rng.standard_normal(n)),
                "adjustment_factor": 1.0,
            }
        )
        frames.append(frame.filter(pl.Series(rng.random(n) >= gaps)))
    return with_columns_of("raw.equity_bars", pl.concat(frames))


def make_index(**settings):
    """Return levels of the broad index."""
    return with_columns_of("raw.index_levels", make_walk(("^GSPC",), **settings))


def make_inputs(
    bars, sessions=None, points=None, universe=None, index=None, dark=None, books=None, minutes=None, **of_breadth
):
    """Return what the technical and the flow processor read."""
    points = daily_points(bars, sessions) if points is None else points
    breadth = universe_breadth(points.frame, bars if universe is None else universe, index, **of_breadth)
    return SimpleNamespace(
        points=points,
        bars=DailyBars(points, bars),
        breadth=breadth_at(points, breadth),
        dark_index=dark_index_at(points, dark_index(points.frame) if dark is None else dark),
        books=None if books is None else OrderBooks(points, books),
        intraday1=None if minutes is None else IntradayBars(points, minutes, "1min"),
    )


@pytest.fixture(scope="session")
def walk():
    """Factory of bars."""
    return make_walk


@pytest.fixture(scope="session")
def index_walk():
    """Factory of index levels."""
    return make_index


@pytest.fixture(scope="session")
def technical_inputs():
    """Factory of inputs."""
    return make_inputs


def make_texts(documents, last=SESSION, scorer="finbert"):
    """Return posts, news and scores as keyword arguments, out of one mapping for each document.

    ``age`` counts hours from the instant at which a document was known to the close of the last session; ``p`` has the
    probabilities, None for a document without a score. A document with a ``kind`` is news, any other a post.
    """
    close = schedule().filter(pl.col("session") == last)["close_at"].item()
    days = schedule().select("session", "close_at")
    parts = {"raw.posts": [], "raw.news": [], "engines.document_scores": []}
    for number, given in enumerate(documents):
        known_at = close - dt.timedelta(hours=given.get("age", 0.0))
        session = days.filter(pl.col("close_at") >= known_at)["session"][0]
        name, source = given.get("id", f"d{number}"), given.get("source", "x")
        shared = {"session": session, "known_at": known_at, "ts": known_at, "provider": "files", "synthetic": False}
        shared |= {"text_hash": given.get("hash", f"hash {number}"), "text": given.get("text")}
        is_news = "kind" in given
        own = {"symbol": given.get("symbol", "AAA")}
        if is_news:
            own |= {
                "item_id": name,
                "kind": given["kind"],
                "event_id": given.get("event"),
                "outlet": given.get("outlet"),
            }
        else:
            own |= {
                "post_id": name,
                "source": source,
                "author_hash": given.get("author"),
                "tag": given.get("tag", "none"),
            }
            own |= {"engagement": given.get("engagement", 0), "community": given.get("community")}
        parts["raw.news" if is_news else "raw.posts"].append(shared | own)
        if given.get("p", (0.7, 0.1, 0.2)) is not None:
            p_pos, p_neg, p_neu = given.get("p", (0.7, 0.1, 0.2))
            scored = {"doc_id": name, "source": "news" if is_news else source, "kind": given.get("kind", "post")}
            scored |= {"scorer": given.get("scorer", scorer), "scorer_hash": "h", "p_pos": p_pos, "p_neg": p_neg}
            parts["engines.document_scores"].append(shared | scored | {"p_neu": p_neu})
    frames = {}
    for table, rows in parts.items():
        schema = TABLES[table].polars_schema
        plain = {name: pl.String() if isinstance(dtype, pl.Enum) else dtype for name, dtype in schema.items()}
        frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=plain)
        frames[table] = frame.cast(schema)
    scores = frames["engines.document_scores"].unique(["doc_id", "source", "known_at", "scorer", "p_pos", "p_neg"])
    return {"posts": frames["raw.posts"], "news": frames["raw.news"], "scores": scores}


@pytest.fixture(scope="session")
def texts():
    """Factory of posts, news and scores."""
    return make_texts
