"""Declarations of the sentiment features made from texts, flows and the fusion of all readings, in contract order.

Symbols: v_j the eight readings, each in [-1, 1] or null; c_j their confidences, 0 where v_j is null; w_j their weights,
1/8 each until errors out of sample are known; zN the z-score against the N sessions before. The last half hour is that
of the regular session, to its close. Phi(d ln P/sigma) is the share of a bar's volume that was bought (Easley, Lopez de
Prado & O'Hara 2012).

Posts of 24 hours count from the instant at which each was known. Copies of a text count once, with the instant of the
first; of one author the three strongest posts of a day to 16:00 in New York count; posts of fewer than 3 words, or
about more than 5 symbols, do not.

Two rules look further back than the sessions of the contract: a post may be the copy of one up to 60 hours older, and
an earnings call within 400 sessions one with another less than 60 days before it.
"""

from __future__ import annotations

from functools import partial

from gnosis.features.feature import Feature, bars, declare


def _of(table: str, *columns: str) -> tuple[str, ...]:
    return tuple(f"raw.{table}.{column}" for column in columns)


_DAILY = bars("close", "volume", "adjustment_factor")
_MINUTES = _of("intraday_bars", "frequency", "ts", "open", "close", "volume")
_QUOTES = _of("order_books", "ts", "side", "level", "price")
_BOOKS = (*_QUOTES, *_of("order_books", "size"))
_OFF_EXCHANGE = (*_of("dix", "dix"), *_of("short_volume", "short_volume", "total_volume"))
_PRESSURE = (*_MINUTES, *_QUOTES, *_DAILY)
_FLOW = (*_PRESSURE, *_OFF_EXCHANGE)
_CHAIN = (
    *_of("option_quotes", "expiry", "settlement", "right", "strike", "root", "ts", "bid", "ask", "open_interest"),
    *_of("option_quotes", "oi_session", "multiplier", "deliverable_shares", "style", "spot"),
    *_of("macro", "ref_date", "value"),
    *_of("dividends", "ex_date", "amount_usd"),
)
"""What volatilities and gamma of a chain follow from."""
_POSTS = _of("posts", "known_at", "source", "author_hash", "text_hash", "text")
"""Which posts count; a post that was not tagged on StockTwits has the strength of its text's score."""
_READINGS = (
    *_POSTS,
    *_of("posts", "tag", "engagement"),
    *_of("news", "known_at", "kind", "event_id", "text_hash", "text"),
    *_CHAIN,
    *_of("option_quotes", "volume"),
    *_FLOW,
    *bars("high", "low"),
)

_SIGMA_SESSIONS = 6
"""The own one and, for a quarter of the bars of 20 sessions, five before it."""
_YEAR_SESSIONS = 64
"""A value and the 63 earlier ones without which a window of 252 sessions says nothing."""

_fused = partial(declare, producer="state")
_flow = partial(declare, producer="flow_and_dark_pool")

FEATURES: tuple[Feature, ...] = (
    _fused(
        53,
        "sent_bias",
        "label",
        _READINGS,
        400,
        "Which way news, posts, earnings calls, options, order flow and prices lean together. fused = sum w c v / "
        "sum w c over the readings: bearish up to -0.15, bullish from 0.15, else neutral; null when no reading has "
        "weight.",
        dtype="category",
        fallback="same formula with the readings that exist",
        fewest=1,
    ),
    _fused(
        54,
        "sent_strength",
        "ratio",
        _READINGS,
        400,
        "How far the readings lean together, whichever way. |fused|, fused as in sent_bias; null with it.",
        fallback="same formula with the readings that exist",
        fewest=1,
        low=0.0,
        high=1.0,
    ),
    _fused(
        55,
        "sent_energy",
        "ratio",
        _READINGS,
        400,
        "How strongly opinions are held while the market is active, agreed or not. 0.5 L sum w c v^2 / sum w c, L = "
        "sent_metabolic_load; null without L, or when no reading has weight.",
        fallback="same formula with the readings that exist",
        fewest=135,
        low=0.0,
    ),
    _fused(
        56,
        "sent_confidence",
        "ratio",
        _READINGS,
        400,
        "How good the data behind the eight readings are, whatever they say. Mean of c over all eight, a missing "
        "reading counting 0; never null.",
        fallback="same formula; missing readings count 0",
        fewest=1,
        low=0.0,
        high=1.0,
    ),
    _fused(
        57,
        "sent_top_driver_contribution",
        "ratio",
        _READINGS,
        400,
        "What the reading that moves the fused one most gives to it. w c v / sum w c of the reading with the largest "
        "|w c v|; null when no reading has weight.",
        fallback="same formula with the readings that exist",
        fewest=1,
        low=-1.0,
        high=1.0,
    ),
    _flow(
        61,
        "sent_flow_regime",
        "label",
        _FLOW,
        509,
        "Is the flow one-sided for this symbol? With f = sent_composite_flow_bias: bullish_flow if f > 0 and above the "
        "80th percentile of the 252 sessions before, bearish_flow if f < 0 and below the 20th, else balanced_flow; "
        "null with fewer than 63 earlier values.",
        dtype="category",
        fallback="same, from the daily form of sent_composite_flow_bias",
        fewest=_YEAR_SESSIONS,
    ),
    _flow(
        90,
        "sent_bid_ask_imbalance",
        "ratio",
        (*_BOOKS, *bars("high", "low", "close", "adjustment_factor")),
        10,
        "Do more shares wait to be bought than to be sold into the close? Mean of (bid size - ask size)/(bid size + "
        "ask size) at the best level over the snapshots of the last half hour; without any, mean of ((C - L) - "
        "(H - C))/(H - L) over 10 daily bars, null when one of them is missing.",
        fallback="mean CLV over the last 10 daily bars",
        fewest=1,
        low=-1.0,
        high=1.0,
    ),
    _flow(
        91,
        "sent_aggressive_buy_ratio",
        "ratio",
        (*_MINUTES, *_DAILY),
        71,
        "Share of the volume into the close that buyers pushed. Volume of the one-minute bars of the last half hour "
        "with Phi(d ln P/sigma) > 0.6 over that of all, sigma = sd of the one-minute changes of the 20 sessions "
        "before; without them the same over 10 daily bars, sigma = sd of the 60 daily changes before each. Null when "
        "sigma or the volume is 0, or a daily bar is missing.",
        fallback="same on the last 10 daily bars, sigma = sd of the 60 daily log changes before each bar",
        fewest=_SIGMA_SESSIONS,
        low=0.0,
        high=1.0,
    ),
    _flow(
        92,
        "sent_aggressive_sell_ratio",
        "ratio",
        (*_MINUTES, *_DAILY),
        71,
        "Share of the volume into the close that sellers pushed. As sent_aggressive_buy_ratio with Phi(d ln P/sigma) "
        "< 0.4; what lies between 0.4 and 0.6 belongs to neither.",
        fallback="same on the last 10 daily bars, sigma = sd of the 60 daily log changes before each bar",
        fewest=_SIGMA_SESSIONS,
        low=0.0,
        high=1.0,
    ),
    _flow(
        93,
        "sent_net_aggressor_pressure",
        "ratio",
        _PRESSURE,
        71,
        "Net share of the volume into the close that was bought aggressively. sum V s / sum V over the one-minute bars "
        "of the last half hour, s = sign(close - last mid before the bar's last second), by the close before when "
        "equal; s = 2 Phi(d ln P/sigma) - 1 where no mid is at most 5 minutes old; without such bars over 10 daily "
        "bars. Sigma and null as in sent_aggressive_buy_ratio.",
        fallback="sum V*(2*Phi - 1)/sum V over the last 10 daily bars",
        fewest=1,
        low=-1.0,
        high=1.0,
    ),
    _flow(
        94,
        "sent_dix",
        "ratio",
        (*_OFF_EXCHANGE, *bars("close")),
        5,
        "Dark index: share of the dollars traded off exchange in the index members that was sold short, which market "
        "makers do to fill buyers. The last value published within five sessions, the current one included; without "
        "the file sum(short volume x close)/sum(off-exchange volume x close) of the members, at least 10 of them.",
        fallback="null",
        fewest=2,
        low=0.0,
        high=1.0,
    ),
    _flow(
        95,
        "sent_gex",
        "standard deviations",
        (*_of("dix", "gex"), *_CHAIN),
        257,
        "Gamma of dealers in the index; positive, they are long and damp its moves. gex of the last session published "
        "within five, the current one included, over its standard deviation in the 252 sessions before that one, so "
        "that the vendor's unit cancels; without the file gamma exposure of the SPY chain, scaled the same way. Null "
        "without either, with fewer than 63 earlier values, or when these are all equal.",
        fallback="null",
        fewest=_YEAR_SESSIONS,
    ),
    _flow(
        96,
        "sent_composite_flow_bias",
        "ratio",
        _FLOW,
        257,
        "Which side trades aggressively, on exchange and off. 0.7 sent_net_aggressor_pressure + 0.3 "
        "tanh(z252(sent_dix)/2), z among values of the same source; the pressure alone where z is null, and null "
        "without the pressure.",
        fallback="sent_net_aggressor_pressure in its daily form",
        fewest=1,
        low=-1.0,
        high=1.0,
    ),
    declare(
        112,
        "sent_retail_score",
        "ratio",
        (*_POSTS, *_of("posts", "tag")),
        2,
        "Do authors on StockTwits call themselves bulls or bears? (bull - bear)/(bull + bear + 5) of the tagged posts "
        "of 24 hours; 0 with untagged posts only, null with no post or where StockTwits was not collected.",
        producer="stocktwits",
        fallback="null",
        fewest=1,
        low=-1.0,
        high=1.0,
    ),
    declare(
        113,
        "sent_wsb_score",
        "ratio",
        (*_POSTS, *_of("posts", "community", "engagement")),
        2,
        "What r/wallstreetbets says of the symbol, loud posts counting more. sum u s/(sum u + 5) over its scored posts "
        "of 24 hours, u = 1 + ln(1 + max(upvotes, 0)), s = p(positive) - p(negative) of the text; null with no such "
        "post or where Reddit was not collected.",
        producer="reddit",
        fallback="null",
        fewest=1,
        low=-1.0,
        high=1.0,
    ),
    _fused(
        114,
        "sent_social_volume",
        "standard deviations",
        _POSTS,
        31,
        "How much more is posted about the symbol than usual. z30 of ln(1 + posts of 24 hours on StockTwits and "
        "Reddit); a collected source without posts counts 0. Null where one of the two was not collected, with fewer "
        "than 10 earlier values, or when these are all equal.",
        fallback="null",
        fewest=11,
    ),
)
