"""Declarations of the liquidity features, in the order of the contract."""

from __future__ import annotations

from gnosis.features.feature import Feature, bars, declare

_QUOTES = tuple(f"raw.order_books.{column}" for column in ("ts", "side", "level", "price"))
_BOOKS = (*_QUOTES, "raw.order_books.size")
_VOLUME_BARS = tuple(f"raw.intraday_bars.{column}" for column in ("frequency", "ts", "volume"))
_FLOW_BARS = (*_VOLUME_BARS, "raw.intraday_bars.open", "raw.intraday_bars.close")
_RANGE_BARS = (*_VOLUME_BARS, "raw.intraday_bars.high", "raw.intraday_bars.low")
_SHORTS = ("raw.short_volume.short_volume", "raw.short_volume.total_volume")

_CLOSE = bars("close", "adjustment_factor")
_RANGE = bars("high", "low", "close", "adjustment_factor")
_DOLLARS = bars("close", "volume", "adjustment_factor")
_EFFORT = bars("high", "low", "close", "volume", "adjustment_factor")
_PROFILE = (*_EFFORT, *_RANGE_BARS)
_COSTS = (*bars("open", "high", "low", "close", "volume", "adjustment_factor"), *_FLOW_BARS, *_QUOTES)
_COVERAGE = (*_DOLLARS, *_VOLUME_BARS, *_QUOTES, *_SHORTS)

_DAILY_PROFILE = "same rule on daily bars, each day's volume spread evenly over [low, high]"

FEATURES: tuple[Feature, ...] = (
    declare(
        25,
        "liq_score",
        "ratio",
        _COSTS,
        273,
        "How cheap and deep the market is against its own last year: 1 best, 0 worst. 1 - mean percentile rank over "
        "252 sessions of liq_friction_cost, liq_kyle_lambda, liq_amihud and 1/ADV$; null with fewer than three of the "
        "ranks, each of which needs 63 earlier values.",
        producer="structure_and_regime",
        fallback="same, each component in its own daily form",
        fewest=74,
        low=0.0,
        high=1.0,
    ),
    declare(
        26,
        "liq_friction_cost",
        "bps",
        (*bars("open", "high", "low", "close", "adjustment_factor"), *_QUOTES),
        21,
        "What an order of 1 % of the average daily volume costs: half the spread plus square-root impact. 1e4 (s/2 + Y "
        "sigma_d sqrt(0.01)), Y = 1, s = median of (ask - bid)/mid over the last 30 minutes, sigma_d = standard "
        "deviation of 20 daily log returns; null with fewer than 10 of them.",
        producer="slippage_field",
        fallback="s = EDGE estimate from 21 daily bars, floored at 0",
        fewest=11,
        low=0.0,
    ),
    declare(
        27,
        "liq_kyle_lambda",
        "bps per $1m",
        (*_DOLLARS, *_FLOW_BARS, *_QUOTES),
        21,
        "How far net buying of one million dollars moves the price (Kyle 1985). max(0, slope through the origin of "
        "5-minute mid changes in bps on bulk-classified signed dollar volume in $1m) over 20 sessions, given 200 bars "
        "and t >= 2, otherwise the daily form; that is null unless all 21 daily bars have prices and volumes that "
        "moved.",
        producer="impact_and_lambda",
        fallback="Y*sigma_d*1e10/ADV$ (linear law, one ADV moves price by Y*sigma_d), Y = 1",
        fewest=3,
        low=0.0,
    ),
    declare(
        28,
        "liq_amihud",
        "1/$m",
        _DOLLARS,
        21,
        "How much the price moves per million dollars traded (Amihud 2002). 1e6 x mean over 20 sessions of |simple "
        "return|/dollar volume; null without the session's own return or volume, or with fewer than 10 of the 20.",
        producer="impact_and_lambda",
        fewest=11,
        low=0.0,
    ),
    declare(
        29,
        "liq_n_absorption_zones",
        "count",
        _PROFILE,
        60,
        "How many price zones near the close held heavy trading. Runs of adjacent bins with more than 1.5 x the median "
        "non-empty bin in the 60-session volume profile of 50 bins, centre within 10 % of the close, at most 20. Bars "
        "of 5 minutes where 60 % of them are there.",
        dtype="int",
        producer="structure_and_regime",
        fallback=_DAILY_PROFILE,
        fewest=15,
        low=0.0,
        high=20.0,
    ),
    declare(
        30,
        "liq_n_displacement_zones",
        "count",
        _PROFILE,
        60,
        "How many thinly traded price zones lie between the heavy ones. Runs of adjacent non-empty bins with less than "
        "0.5 x the median non-empty bin between the lowest and the highest high-volume cluster of the profile of "
        "liq_n_absorption_zones, at most 20; 0 with fewer than two such clusters.",
        dtype="int",
        producer="structure_and_regime",
        fallback=_DAILY_PROFILE,
        fewest=15,
        low=0.0,
        high=20.0,
    ),
    declare(
        31,
        "liq_n_voids",
        "count",
        _RANGE,
        141,
        "How many overnight gaps near the close are still open. Gaps of the last 60 sessions, low_j > high_{j-1} or "
        "high_j < low_{j-1}, wider than 0.5 ATR14, not wholly covered by later ranges, inside 10 % of the close, at "
        "most 20.",
        dtype="int",
        producer="structure_and_regime",
        low=0.0,
        high=20.0,
    ),
    declare(
        32,
        "liq_hvn_lvn_balance",
        "ratio",
        _PROFILE,
        60,
        "Whether heavy trading lies below the price (support) or above it (resistance). (B - A)/(B + A), B and A = "
        "volume in high-volume bins below and above the close in the profile of liq_n_absorption_zones; null when no "
        "bin is a high-volume bin.",
        producer="structure_and_regime",
        fallback=_DAILY_PROFILE,
        fewest=15,
        low=-1.0,
        high=1.0,
    ),
    declare(
        33,
        "liq_orderbook_imbalance",
        "ratio",
        (*_EFFORT, *_BOOKS),
        20,
        "Which side of the book is heavier at the close: 1 all bids, -1 all asks. Mean over the snapshots of the last "
        "5 minutes of (bid size - ask size)/(bid size + ask size), 10 levels; with one level only, sum of order-flow "
        "events over the sum of their sizes, null when there is none.",
        producer="order_book_imbalance",
        fallback="Chaikin money flow: sum CLV*V / sum V over 20 sessions",
        fewest=1,
        low=-1.0,
        high=1.0,
    ),
    declare(
        34,
        "liq_sweep_alert",
        "bool",
        (*_EFFORT, *_FLOW_BARS),
        61,
        "True when one-sided volume pushed the price away just before the close. Any 5-minute bar of the last 30 "
        "minutes with |signed volume| > 3 MAD and |return| > 2 sigma of equal signs; MAD and sigma of the 5-minute "
        "bars of the 20 sessions before, volume signed by bulk classification; null when those prices did not move.",
        dtype="bool",
        producer="toxicity_vpin",
        fallback="daily bar: |V*CLV| > 3*mad60 and |return| > 2*sd60 with equal signs",
        fewest=6,
    ),
    declare(
        35,
        "liq_iceberg_alert",
        "bool",
        (*_DOLLARS, *_RANGE_BARS, *_BOOKS),
        21,
        "True when far more was traded at a best price than was displayed there: hidden size. In the last 30 minutes a "
        "minute bar whose range holds the best price traded more than 3 x the size displayed there, while from its "
        "first to its last snapshot that price did not get worse nor the size smaller; null with a book but no minute "
        "bar between two snapshots.",
        dtype="bool",
        producer="order_book_imbalance",
        fallback="1 if z20(volume) > 2 and |return| < 0.25*sigma_d",
        fewest=1,
    ),
    declare(
        36,
        "liq_compression_energy",
        "ratio",
        _CLOSE,
        272,
        "How narrow the price range is against the last year: 1 narrowest. 1 - percentile rank over 252 sessions of "
        "the Bollinger bandwidth (20, 2); null with fewer than 63 earlier bandwidths.",
        producer="structure_and_regime",
        fewest=83,
        low=0.0,
        high=1.0,
    ),
    declare(
        37,
        "liq_expansion_energy",
        "ratio",
        _RANGE,
        320,
        "Energy stored by a squeeze that lasts: compression times its length. liq_compression_energy x n/20, n = "
        "sessions in a row up to the current one with sent_squeeze_detected true, at most 120; null when the run "
        "begins before anything is known of it.",
        producer="structure_and_regime",
        fewest=201,
        low=0.0,
        high=6.0,
    ),
    declare(
        38,
        "liq_volume_strength",
        "ratio",
        bars("volume", "adjustment_factor"),
        81,
        "How busy the session is against the last 60: 1 busiest. Percentile rank over 60 sessions of V/mean volume of "
        "the 20 sessions before; null with fewer than 15 earlier values.",
        producer="structure_and_regime",
        fewest=26,
        low=0.0,
        high=1.0,
    ),
    declare(
        39,
        "liq_buying_effort",
        "ratio",
        _EFFORT,
        10,
        "Share of recent volume that was traded in sessions that closed near their high. Volume of the last 10 bars "
        "with CLV > 0.5 over their total volume; null when one of them is missing or nothing was traded.",
        producer="structure_and_regime",
        low=0.0,
        high=1.0,
    ),
    declare(
        40,
        "liq_selling_effort",
        "ratio",
        _EFFORT,
        10,
        "Share of recent volume that was traded in sessions that closed near their low. Volume of the last 10 bars "
        "with CLV < -0.5 over their total volume; null when one of them is missing or nothing was traded.",
        producer="structure_and_regime",
        low=0.0,
        high=1.0,
    ),
    declare(
        41,
        "liq_off_exchange_ratio",
        "ratio",
        (*bars("volume"), *_SHORTS),
        5,
        "Share of the volume that was traded off the exchanges. Off-exchange total volume/consolidated volume of the "
        "last session published by the cut-off, one of the last 5; null when there is none, and above 1, which "
        "is an error of the data.",
        producer="dark_pool_and_shorts",
        fallback="null",
        fewest=2,
        low=0.0,
        high=1.0,
    ),
    declare(
        42,
        "liq_hidden_accumulation",
        "ratio",
        (*_DOLLARS, *_SHORTS),
        85,
        "Whether off-exchange trading was unusually heavy while the price stood still: above 0.5 heavier. Sigmoid of "
        "the mean z-score (60 sessions) of the off-exchange share over the latest 5 of the last 20 published sessions "
        "with |return| < 0.5 sigma_d; null with fewer than 3 such sessions.",
        producer="dark_pool_and_shorts",
        fallback="null",
        fewest=19,
        low=0.0,
        high=1.0,
    ),
    declare(
        43,
        "liq_wyckoff_phase",
        "label",
        _EFFORT,
        146,
        "Where the price stands in a trading range: stopped (A), inside it (B), tested its edge (C), turned away from "
        "it (D), left it (E). Phase rule on 120 sessions, edges = value area (70 % of the volume) of the daily profile "
        "without the last 5 bars; unknown when no line of the rule applies or with fewer than 146 bars, never null.",
        dtype="category",
        producer="structure_and_regime",
        fewest=1,
    ),
    declare(
        44,
        "liq_wyckoff_energy",
        "ratio",
        _EFFORT,
        272,
        "How long and how tightly the price has stayed in its trading range. (closes of the last 120 sessions inside "
        "the value area of liq_wyckoff_phase/120) x liq_compression_energy; null when one of the 120 bars is missing.",
        producer="structure_and_regime",
        fewest=120,
        low=0.0,
        high=1.0,
    ),
    declare(
        45,
        "liq_regime",
        "label",
        _COSTS,
        273,
        "How liquid the market is in a word. Abundant if liq_score >= 0.8, Normal if >= 0.6, Thin if >= 0.4, Stressed "
        "if >= 0.2, else Crisis; null when liq_score is.",
        dtype="category",
        producer="structure_and_regime",
        fallback="same, from the daily form of liq_score",
        fewest=74,
    ),
    declare(
        46,
        "liq_regime_confidence",
        "ratio",
        (*_COSTS, *_SHORTS),
        273,
        "How sure the liquidity regime is: far from its cuts and made of good data. min(1, distance of liq_score to "
        "the nearest cut of liq_regime/0.1) x liq_confidence; null when liq_score is.",
        producer="state",
        fallback="same, from the daily forms",
        fewest=74,
        low=0.0,
        high=1.0,
    ),
    declare(
        47,
        "liq_polr_direction",
        "ratio",
        _PROFILE,
        141,
        "Path of least resistance: positive when less traded volume lies above the price than below it. tanh(2 (R_dn - "
        "R_up)/(R_dn + R_up)), R_up and R_dn = volume between the close and close +/- ATR14 in the profile of "
        "liq_n_absorption_zones; null when R_dn + R_up = 0.",
        producer="structure_and_regime",
        fallback="same rule on the daily-bar profile",
        low=-1.0,
        high=1.0,
    ),
    declare(
        48,
        "liq_polr_strength",
        "ratio",
        (*_COSTS, "raw.intraday_bars.high", "raw.intraday_bars.low"),
        273,
        "How much the path of least resistance counts: most in a liquid market. |liq_polr_direction| x liq_score; null "
        "when either is.",
        producer="structure_and_regime",
        fallback="same, from the daily forms",
        fewest=141,
        low=0.0,
        high=1.0,
    ),
    declare(
        49,
        "liq_confidence",
        "ratio",
        _COVERAGE,
        252,
        "How complete and fresh the data behind the liquidity features are. Mean of the confidences of the eight "
        "processors: 0 when absent, at most 0.3 on daily bars alone, 0.7 more for all snapshots of the book or bars of "
        "5 minutes; never null.",
        producer="state",
        fallback="same rule; processors without daily input count 0",
        fewest=1,
        low=0.0,
        high=1.0,
    ),
    declare(
        50,
        "liq_dark_pool_pressure",
        "ratio",
        _SHORTS,
        262,
        "Whether market makers sell short to fill buying customers more than they used to: high = buying. tanh(z/2), z "
        "= z-score over 252 sessions of the mean short share of the last 5 published sessions; null with fewer than 63 "
        "earlier means, and without a file of the last 5 sessions.",
        producer="dark_pool_and_shorts",
        fallback="null",
        fewest=69,
        low=-1.0,
        high=1.0,
    ),
    declare(
        51,
        "liq_short_volume_ratio",
        "ratio",
        _SHORTS,
        5,
        "Share of off-exchange volume that was sold short; trades of a session, not open positions. "
        "ShortVolume/TotalVolume of the last session published by the cut-off, one of the last 5; null when "
        "there is none.",
        producer="dark_pool_and_shorts",
        fallback="null",
        fewest=2,
        low=0.0,
        high=1.0,
    ),
    declare(
        52,
        "liq_short_squeeze_pressure",
        "ratio",
        (*_DOLLARS, *_SHORTS),
        66,
        "Whether a rise on high volume meets unusually many short sales. sigmoid(z20(liq_short_volume_ratio) + "
        "z60(5-session return) + z20(log volume)) if the 5-session return > 0, else 0; null when a term is, for "
        "instance when the volume never changed.",
        producer="dark_pool_and_shorts",
        fallback="null",
        fewest=21,
        low=0.0,
        high=1.0,
    ),
)
