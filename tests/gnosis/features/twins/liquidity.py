"""Readable twins and hand-made numbers of the 28 liquidity features."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from functools import partial

from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins import liquidity_costs as costs
from tests.gnosis.features.twins import liquidity_shorts as shorts
from tests.gnosis.features.twins import liquidity_structure as structure
from tests.gnosis.features.twins.liquidity_inputs import (
    HOURS,
    MINUTE,
    Value,
    bar_coverage,
    books,
    daily,
    quoted_spread,
    quotes,
    remembered,
)
from tests.gnosis.features.twins.liquidity_numbers import NUMBERS


def book_coverage(seen: Seen, levels: int, minutes: int | None = None) -> float:
    """Return the share of the expected levels: of snapshots that share an expected one's part the fullest counts."""
    opens, closes = HOURS[seen.session]
    first = opens if minutes is None else max(opens, closes - minutes * MINUTE)
    settings = json.loads(seen.rows("engines.liquidity", sessions=1)[-1]["parameters"])
    expected = max(round(settings["snapshots_per_session"] * ((closes - first) / MINUTE) / 390), 1)
    best = 0
    for is_stamped_at_end in (False, True):
        fullest: dict[int, int] = {}
        for book in (book for book in books(seen) if book.ts >= first):
            place = (book.ts - first) / (closes - first) * expected
            part = max(math.ceil(place - 1e-9) - 1, 0) if is_stamped_at_end else min(int(place + 1e-9), expected - 1)
            there = sum(level <= levels for level in [*book.bids, *book.asks])
            fullest[part] = max(fullest.get(part, 0), there)
        best = max(best, sum(fullest.values()))
    return best / (2 * levels * expected)


@remembered
def confidence(seen: Seen) -> Value:
    """Mean of eight processors: 0.7 x share of the preferred input, where it is used, + 0.3 x share of daily bars."""
    bars = daily(seen)

    def share_of_days(sessions: int) -> float:
        return sum(bars.traded(back) is not None for back in range(sessions)) / sessions

    book, days = book_coverage(seen, 10), share_of_days(20)
    has_depth = bool(quotes(seen)) or bool(bars.adv_usd() and bars.sd())
    has_quote = quoted_spread(seen) is not None
    of_bars = sum(back in bars.bars for back in range(21)) / 21
    age, _ = shorts.files(seen, 6)
    stored = sum(back > 0 for back in {seen.back(r["session"]) for r in seen.rows("engines.liquidity", sessions=252)})
    parts = [
        0.7 * book * bool(quotes(seen, 5)) + 0.3 * days if costs.orderbook_imbalance(seen) is not None else 0.0,
        0.7 * book * bool(quotes(seen)) + 0.3 * days if has_depth else 0.0,
        0.7 * book * has_quote + 0.3 * days if costs.friction_cost(seen) is not None else 0.0,
        0.7 * bar_coverage(seen, 20) + 0.3 * days,
        0.7 * book_coverage(seen, 1, 30) * has_quote + 0.3 * of_bars if has_quote or bars.edge() is not None else 0.0,
        0.7 * max(bar_coverage(seen, 20), bar_coverage(seen, 20, 1)) * costs.has_sweep_bars(seen)
        + 0.3 * share_of_days(60),
        0.0 if age is None else 2 ** (-max(0, age - 1) / 2),
        min(1.0, (stored + 1) / 252) * (0.7 * bar_coverage(seen, 60) + 0.3 * share_of_days(60)),
    ]
    return statistics.fmean(parts)


def regime_confidence(seen: Seen) -> Value:
    found = costs.score(seen)
    if found is None:
        return None
    return min(1.0, min(abs(found - cut) for cut in (0.8, 0.6, 0.4, 0.2)) / 0.1) * confidence(seen)


def polr_strength(seen: Seen) -> Value:
    direction, found = structure.polr_direction(seen), costs.score(seen)
    return None if direction is None or found is None else abs(direction) * found


TWINS: dict[str, Callable[[Seen], Value]] = {
    "liq_score": costs.score,
    "liq_friction_cost": costs.friction_cost,
    "liq_kyle_lambda": costs.kyle_lambda,
    "liq_amihud": costs.amihud,
    "liq_n_absorption_zones": structure.absorption_zones,
    "liq_n_displacement_zones": structure.displacement_zones,
    "liq_n_voids": structure.voids,
    "liq_hvn_lvn_balance": structure.balance,
    "liq_orderbook_imbalance": costs.orderbook_imbalance,
    "liq_sweep_alert": costs.sweep_alert,
    "liq_iceberg_alert": costs.iceberg_alert,
    "liq_compression_energy": structure.compression,
    "liq_expansion_energy": structure.expansion,
    "liq_volume_strength": structure.volume_strength,
    "liq_buying_effort": partial(structure.effort, side=1),
    "liq_selling_effort": partial(structure.effort, side=-1),
    "liq_off_exchange_ratio": shorts.off_exchange_ratio,
    "liq_hidden_accumulation": shorts.hidden_accumulation,
    "liq_wyckoff_phase": structure.wyckoff_phase,
    "liq_wyckoff_energy": structure.wyckoff_energy,
    "liq_regime": costs.regime,
    "liq_regime_confidence": regime_confidence,
    "liq_polr_direction": structure.polr_direction,
    "liq_polr_strength": polr_strength,
    "liq_confidence": confidence,
    "liq_dark_pool_pressure": shorts.dark_pool_pressure,
    "liq_short_volume_ratio": shorts.short_volume_ratio,
    "liq_short_squeeze_pressure": shorts.short_squeeze_pressure,
}

__all__ = ["NUMBERS", "TWINS"]
