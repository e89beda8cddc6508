"""Readable twins of the sentiment features 97 to 102: the universe, the index and the sector funds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, stdev

import polars as pl

from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.daily_bars import DailyBars, MissingBarError, ema
from tests.gnosis.features.twins.hand_made import bars_of, breadth_value, closes, levels_of

CYCLICAL = ("XLY", "XLI", "XLB", "XLK")
DEFENSIVE = ("XLP", "XLU", "XLV")
FEWEST_MEMBERS = 10


def panel(seen: Seen) -> dict[str, DailyBars]:
    """Return the bars of every symbol as the row sees them."""
    by_symbol: dict[str, dict[int, dict]] = {}
    for row in seen.rows("raw.equity_bars", symbol=None, sessions=130):
        by_symbol.setdefault(row["symbol"], {})[seen.back(row["session"])] = row
    return {symbol: DailyBars(rows) for symbol, rows in by_symbol.items()}


def members(seen: Seen) -> list[DailyBars]:
    """Without dated membership all symbols are members but the sector funds."""
    return [bars for symbol, bars in panel(seen).items() if symbol not in (*CYCLICAL, *DEFENSIVE)]


def advance_decline(universe: list[DailyBars], back: int = 0) -> float | None:
    moves = [bars.earlier(back).moves(1)[0] for bars in universe if bars.earlier(back).has(2)]
    up, down = sum(move > 0 for move in moves), sum(move < 0 for move in moves)
    return None if len(moves) < FEWEST_MEMBERS or up + down == 0 else up / (up + down)


def pct_above_ma(universe: list[DailyBars], back: int = 0) -> float | None:
    windows = [bars.earlier(back).closes(50) for bars in universe if bars.earlier(back).has(50)]
    if len(windows) < FEWEST_MEMBERS:
        return None
    return sum(window[-1] > fmean(window) for window in windows) / len(windows)


def breadth_thrust(universe: list[DailyBars]) -> bool | None:
    """EMA10 runs over exactly 60 ratios; 11 of them need 70 ratios."""
    ratios = [advance_decline(universe, back) for back in reversed(range(70))]
    if None in ratios:
        return None
    known = [ratio for ratio in ratios if ratio is not None]
    smooth = [ema(known[k : k + 60], 10) for k in range(11)]
    return smooth[-1] > 0.615 and min(smooth[:-1]) < 0.40


def index_closes(seen: Seen, count: int) -> list[float] | None:
    """Return the last closes of the index, oldest first; its latest may lag by two sessions."""
    known = {seen.back(row["session"]): row["close"] for row in seen.rows("raw.index_levels", symbol="^GSPC")}
    latest = min(known, default=3)
    found = [known.get(latest + back) for back in reversed(range(count))]
    return None if latest > 2 or None in found else [level for level in found if level is not None]


def log_returns(levels: Sequence[float]) -> list[float]:
    return [math.log(after / before) for before, after in pairwise(levels)]


def breadth_divergence(seen: Seen) -> int | None:
    universe, levels = members(seen), index_closes(seen, 61)
    now, before = pct_above_ma(universe), pct_above_ma(universe, 20)
    if levels is None or now is None or before is None:
        return None
    month, edge = sum(log_returns(levels)[-20:]), 0.5 * stdev(log_returns(levels)) * math.sqrt(20)
    return int(month < -edge and now - before > 0.10) - int(month > edge and now - before < -0.10)


def risk_regime(seen: Seen) -> str | None:
    levels = index_closes(seen, 121)
    if levels is None:
        return None
    returns = log_returns(levels)
    month, ratio = sum(returns[-20:]), stdev(returns[-20:]) / stdev(returns)
    if month > 0 and ratio < 1.2:
        return "risk_on"
    return "risk_off" if month < 0 and ratio > 1.3 else "neutral"


def rotation_score(seen: Seen) -> float | None:
    funds = panel(seen)
    try:
        paths = {fund: funds[fund].closes(71) for fund in (*CYCLICAL, *DEFENSIVE)}
    except (KeyError, MissingBarError):
        return None

    def mean_normalised(basket: Sequence[str], session: int) -> float:
        return fmean(paths[fund][session] / paths[fund][0] for fund in basket)

    q = [math.log(mean_normalised(CYCLICAL, k) / mean_normalised(DEFENSIVE, k)) for k in range(71)]
    scores = []
    for series in (q[10:], [q[k] - q[k - 10] for k in range(10, 71)]):
        sample, own = series[:60], series[60]
        if len(set(sample)) == 1:
            return None
        scores.append((own - fmean(sample)) / stdev(sample))
    return math.tanh(sum(scores) / 2)


TWINS: dict[str, Callable[[Seen], object]] = {
    "sent_advance_decline_ratio": lambda seen: advance_decline(members(seen)),
    "sent_pct_above_ma": lambda seen: pct_above_ma(members(seen)),
    "sent_breadth_thrust": lambda seen: breadth_thrust(members(seen)),
    "sent_breadth_divergence": breadth_divergence,
    "sent_risk_regime": risk_regime,
    "sent_rotation_score": rotation_score,
}


def universe_of(*paths: list[float]) -> pl.DataFrame:
    """Return members with these closes."""
    return pl.concat(bars_of(path, symbol=f"S{number:02d}") for number, path in enumerate(paths))


def funds_of(cyclical: list[float], defensive: list[float]) -> pl.DataFrame:
    """Return sector funds, all of a basket with the same closes."""
    baskets = ((CYCLICAL, cyclical), (DEFENSIVE, defensive))
    return pl.concat(bars_of(path, symbol=fund) for basket, path in baskets for fund in basket)


UP, DOWN, FLAT = [100.0, 101.0], [100.0, 99.0], [100.0, 100.0]
# The index rises by 1 % and falls by 0.5 % in turn: 5 % in 20 sessions.
RISING = levels_of("^GSPC", closes([0.01, -0.005] * 60, first=2000.0))
# All fall for 65 sessions, so EMA10 is 0; all rise for 5, and it is 1 - (9/11)^5 = 0.633.
TURN = [200.0 - k for k in range(66)] + [136.0 + k for k in range(5)]
# Above the mean of 50 closes until 20 sessions ago, below it now.
FADING = [100.0 + k for k in range(50)] + [149.0 - 3 * k for k in range(1, 21)]
# q goes 0, 0, 1, 1 % in turn. The 60 values before the last: 30 of each, mean 0.5 %. Their changes over 10 sessions are
# 1 % or -1 %, 30 of each. The last q is 2 %, that of 10 sessions before 0.
Q = [0.01 * (k % 4 >= 2) for k in range(70)] + [0.02]

NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    # Six up, three down, three unchanged.
    "sent_advance_decline_ratio": lambda: (
        breadth_value("sent_advance_decline_ratio", universe_of(*[UP] * 6, *[DOWN] * 3, *[FLAT] * 3)),
        2 / 3,
    ),
    # Four of ten end above their mean.
    "sent_pct_above_ma": lambda: (
        breadth_value("sent_pct_above_ma", universe_of(*[[100.0] * 49 + [101.0]] * 4, *[[100.0] * 49 + [99.0]] * 6)),
        0.4,
    ),
    "sent_breadth_thrust": lambda: (breadth_value("sent_breadth_thrust", universe_of(*[TURN] * 10)), True),
    # The index rose by 5 %, more than half of 0.75 % sqrt(20) = 3.4 %; the share above the mean went from 1 to 0.
    "sent_breadth_divergence": lambda: (
        breadth_value("sent_breadth_divergence", universe_of(*[FADING] * 10), RISING),
        -1,
    ),
    # Up, and as calm as over 120 sessions.
    "sent_risk_regime": lambda: (breadth_value("sent_risk_regime", universe_of(UP), RISING), "risk_on"),
    # (2 - 0.5)/0.5 = 3 and 2/1 = 2, each over sqrt(60/59).
    "sent_rotation_score": lambda: (
        breadth_value("sent_rotation_score", funds_of([100 * math.exp(q) for q in Q], [50.0] * 71)),
        math.tanh(2.5 * math.sqrt(59 / 60)),
    ),
}
