"""Values of the sentiment features of texts, flows and fusion on inputs so small that the result follows on paper."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from gnosis.engines.points import Points
from gnosis.engines.protocol import ProcessorResult, engine_confidence
from gnosis.engines.regimes import labels
from gnosis.engines.sentiment import sentiment
from gnosis.engines.sentiment.dark_index import dark_index, dollar_short_share
from gnosis.engines.sentiment.flow_and_dark_pool import composite_flow_bias, flow_regime
from gnosis.engines.sentiment.flow_kernel import MEASURES, aggressor_shares, mean_imbalance
from gnosis.engines.sentiment.fusion import fuse
from gnosis.engines.sentiment.state import bias
from gnosis.engines.trailing import History
from gnosis.tables import TABLES
from tests.gnosis.features.twins.hand_made import DAYS, LAST, bars_of, closes

ONE = np.array([0]), np.array([1])
CLOSE = DAYS["close_at"][-1]
PHI_OF_1 = 0.8413447460685429
"""Standard normal distribution function at 1, as tabulated."""

# 5.9: v = (0.5, -0.2), c = (0.8, 0.4), w equal: fused (0.4 - 0.08)/1.2 = 4/15 and the first gives 0.4/1.2 = 1/3.
SPECIFIED = fuse([[0.5], [-0.2]], [[0.8], [0.4]], [1 / 8, 1 / 8])


def table(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows of a table, known at the last close; columns that do not matter are null."""
    schema = TABLES[name].polars_schema
    given = {"session": LAST, "symbol": "SPY", "known_at": CLOSE, "ts": CLOSE, "provider": "hand", "synthetic": False}
    plain = {column: pl.String() if isinstance(dtype, pl.Enum) else dtype for column, dtype in schema.items()}
    filled = [{column: (given | row).get(column) for column in schema} for row in rows]
    return pl.DataFrame(filled, schema=plain).cast(dict(schema))


def post(number: int, source: str, **rest: Any) -> dict[str, Any]:
    own = {"post_id": f"{source} {number}", "text_hash": f"{source} {number}", "tag": "none", "engagement": 0}
    return own | {"source": source} | rest


def score(doc_id: str, p_pos: float, p_neg: float, p_neu: float) -> dict[str, Any]:
    found = {"doc_id": doc_id, "source": doc_id.split()[0], "kind": "post", "scorer": "finbert"}
    return found | {"scorer_hash": "h", "text_hash": doc_id, "p_pos": p_pos, "p_neg": p_neg, "p_neu": p_neu}


@cache
def one_post_and_a_quiet_market() -> dict[str, Any]:
    """Return the row of a symbol whose close goes up and down by the same 1 %, with one certain post on X.

    The post gives v = 1/(1 + 5) = 1/6 and c = 0.5 x 1/6, half for want of earlier levels. Ten daily bars as often
    bought as sold give a flow of 0 with c = 0.7 x 0.3 = 0.21. Prices are too short for a reading of their own.
    """
    bars = bars_of(closes([0.01, -0.01] * 67), reach=0.5)
    posts = table("raw.posts", [post(1, "x")])
    scores = table("engines.document_scores", [score("x 1", 1.0, 0.0, 0.0)])
    return sentiment(bars, posts=posts, scores=scores, collected={"x"}, sessions=[LAST]).row(0, named=True)


@cache
def fifteen_posts() -> dict[str, Any]:
    """Return the row of a symbol with 8 bulls and 2 bears on StockTwits and 5 posts on Reddit after 10 other days.

    Two of those on Reddit are in r/wallstreetbets: one with s = 0.7 - 0.1 = 0.6 and no upvote, one with s = -0.6 and 2.
    """
    tags = ["bullish"] * 8 + ["bearish"] * 2
    posts = [post(number, "stocktwits", tag=tag) for number, tag in enumerate(tags)]
    posts += [post(number, "reddit", community="stocks") for number in range(3)]
    posts += [post(3, "reddit", community="wallstreetbets"), post(4, "reddit", community="r/WallStreetBets")]
    posts[-1]["engagement"] = 2
    scores = [score("reddit 3", 0.7, 0.1, 0.2), score("reddit 4", 0.1, 0.7, 0.2)]
    # Days of 0 and of 3 posts: ln(1 + n) is 0 or 2 ln 2.
    counts = {"stocktwits_bull": 0, "stocktwits_bear": 0, "stocktwits_untagged": 0}
    before = [
        {"session": day, "known_at": at, "as_of": at, "reddit_count_24h": 3 * (place % 2)} | counts
        for place, (day, at) in enumerate(DAYS.slice(DAYS.height - 11, 10).iter_rows())
    ]
    stored = table("engines.sentiment", before)
    return sentiment(
        bars_of([100.0], reach=1.0),
        posts=table("raw.posts", posts),
        scores=table("engines.document_scores", scores),
        stored=stored,
        collected={"stocktwits", "reddit"},
        sessions=[LAST],
    ).row(0, named=True)


def energy() -> tuple[object, object]:
    """14 and 120 changes of ± 1 % have standard deviations 1 % sqrt(14/13) and 1 % sqrt(120/119): their ratio is L."""
    load = math.sqrt(14 / 13 * 119 / 120)
    return one_post_and_a_quiet_market()["sent_energy"], 0.5 * load * (1 / 12 / 36) / (1 / 12 + 0.21)


def confidence() -> tuple[object, object]:
    """5.9: c = (0.8, 0.4) and six readings missing give 1.2/8 = 0.15."""
    given = dict(enumerate([0.8, 0.4] + [0.0] * 6))
    parts = {str(name): ProcessorResult({}, np.array([c])) for name, c in given.items()}
    return engine_confidence(parts).item(), 0.15


def regime_of_the_flow() -> tuple[object, object]:
    """Of 0.001 .. 0.252 the 80th percentile is 0.001 (1 + 0.8 x 251) = 0.2018; 0.202 is above it."""
    stored = DAYS.slice(DAYS.height - 253, 252).select("session", symbol=pl.lit("SPY"), as_of="close_at")
    stored = stored.with_columns(f=pl.int_range(1, 253) / 1000)
    point = Points.of(pl.DataFrame({"symbol": ["SPY"], "session": [LAST], "as_of": [CLOSE]}))
    f = np.array([0.202])
    past = History(point, stored).series("f", f)
    code = flow_regime(f, past.quantile(0.2), past.quantile(0.8)).item()
    return labels("sent_flow_regime")[int(code)], "bullish_flow"


def imbalance() -> tuple[object, object]:
    """(300 - 100)/400 = 1/2, 0 and -1: their mean is -1/6."""
    bid, ask = np.array([300.0, 100.0, 0.0]), np.array([100.0, 100.0, 50.0])
    return mean_imbalance(bid, ask, np.array([0]), np.array([3]))[0, 0], -1 / 6


def minutes(measure: str, sides: list[float]) -> object:
    """Return a measure of bars of 100, 200 and 700 shares that rise by sigma, stay, and fall by sigma.

    The reference is sigma/sqrt(2) up and down, whose standard deviation (n - 1) is sigma = 0.001.
    """
    change = 0.001 * np.array([math.sqrt(0.5), -math.sqrt(0.5), 1.0, 0.0, -1.0])
    volume = np.array([1.0, 1.0, 100.0, 200.0, 700.0])
    slices = (np.array([2]), np.array([5]), np.array([0]), np.array([0]), np.array([2]))
    found = aggressor_shares(volume, change, np.array(sides), *slices, np.array([2]))
    return found[MEASURES.index(measure), 0]


def net_pressure() -> tuple[object, object]:
    """2 Phi(1) - 1 on 100 shares, a mid that says bought on 200 shares, 1 - 2 Phi(1) on 700 shares."""
    unknown = math.nan
    return minutes("net", [unknown, 1.0, unknown]), (200 - 600 * (2 * PHI_OF_1 - 1)) / 1000


def short_share() -> tuple[object, object]:
    """(40 x $10 + 10 x $20)/(100 x $10 + 50 x $20) = 600/2000."""
    short, total, close = (np.array([[a], [b]]) for a, b in ((40.0, 10.0), (100.0, 50.0), (10.0, 20.0)))
    return dollar_short_share(short, total, close, np.ones((2, 1), dtype=bool), fewest=2).item(), 0.3


def scaled_gamma() -> tuple[object, object]:
    """64 sessions of 1 and 3 in turn have the standard deviation sqrt(64/63); 4 after them is sqrt(63)/2 of it."""
    days = DAYS.slice(DAYS.height - 66, 65)
    rows = [
        {"session": day, "known_at": at + dt.timedelta(hours=2), "dix": 0.4, "gex": (1.0, 3.0)[place % 2]}
        for place, (day, at) in enumerate(days.iter_rows())
    ]
    rows[-1]["gex"] = 4.0
    cut_off = DAYS.tail(1).select("session", as_of="close_at")
    return dark_index(cut_off, table("raw.dix", rows))["sent_gex"].item(), math.sqrt(63) / 2


def wallstreetbets() -> tuple[object, object]:
    """u = 1 and 1 + ln 3: (0.6 - 0.6 (1 + ln 3))/(2 + ln 3 + 5)."""
    return fifteen_posts()["sent_wsb_score"], -0.6 * math.log(3) / (7 + math.log(3))


def social_volume() -> tuple[object, object]:
    """ln 16 = 4 ln 2 against five times 0 and five times 2 ln 2: (4 - 1)/sqrt(10/9) standard deviations above."""
    return fifteen_posts()["sent_social_volume"], 3 / math.sqrt(10 / 9)


NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    "sent_bias": lambda: (labels("sent_bias")[int(bias(SPECIFIED.value).item())], "bullish"),
    "sent_strength": lambda: (abs(SPECIFIED.value.item()), 4 / 15),
    "sent_energy": energy,
    "sent_confidence": confidence,
    "sent_top_driver_contribution": lambda: (SPECIFIED.top_contribution.item(), 1 / 3),
    "sent_flow_regime": regime_of_the_flow,
    "sent_bid_ask_imbalance": imbalance,
    # Phi(1) > 0.6 > Phi(0) = 0.5 > 0.4 > Phi(-1): 100 shares of 1,000 were bought, 700 sold.
    "sent_aggressive_buy_ratio": lambda: (minutes("buy", [math.nan] * 3), 0.1),
    "sent_aggressive_sell_ratio": lambda: (minutes("sell", [math.nan] * 3), 0.7),
    "sent_net_aggressor_pressure": net_pressure,
    "sent_dix": short_share,
    "sent_gex": scaled_gamma,
    # 0.7 x 0.5 + 0.3 tanh 1, tanh 1 = 0.7615941559557649.
    "sent_composite_flow_bias": lambda: (
        composite_flow_bias(np.array([0.5]), np.array([2.0])).item(),
        0.57847824678673,
    ),
    # 5.4: 8 bulls and 2 bears.
    "sent_retail_score": lambda: (fifteen_posts()["sent_retail_score"], 0.4),
    "sent_wsb_score": wallstreetbets,
    "sent_social_volume": social_volume,
}
