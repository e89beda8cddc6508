"""Twins of off-exchange volume and its short sales: features 41, 42 and 50 to 52."""

from __future__ import annotations

import math
import statistics
from typing import Any

from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins.liquidity_inputs import Value, daily, sigmoid, z_score


def files(seen: Seen, sessions: int) -> tuple[int | None, dict[int, dict[str, Any]]]:
    """Return the age of the last published file, at most 5, and the possible files of the last sessions by age."""
    rows = {seen.back(row["session"]): row for row in seen.rows("raw.short_volume", sessions=sessions)}
    rows = {back: row for back, row in rows.items() if row["short_volume"] <= row["total_volume"]}
    return (min(rows) if rows and min(rows) <= 5 else None), rows


def short_shares(seen: Seen, sessions: int) -> tuple[int | None, dict[int, float]]:
    age, rows = files(seen, sessions)
    return age, {k: row["short_volume"] / row["total_volume"] for k, row in rows.items() if row["total_volume"] > 0}


def off_shares(seen: Seen, sessions: int) -> tuple[int | None, dict[int, float]]:
    (age, rows), bars = files(seen, sessions), daily(seen)
    shares = {k: row["total_volume"] / bars.traded(k) for k, row in rows.items() if bars.traded(k)}
    return age, {k: share for k, share in shares.items() if share <= 1}


def short_volume_ratio(seen: Seen) -> Value:
    age, shares = short_shares(seen, 6)
    return shares.get(age)


def off_exchange_ratio(seen: Seen) -> Value:
    age, shares = off_shares(seen, 6)
    return shares.get(age)


def hidden_accumulation(seen: Seen) -> Value:
    (age, shares), bars = off_shares(seen, 85), daily(seen)
    if age is None:
        return None

    def is_quiet(back: int) -> bool:
        change, usual = bars.log_return(back), bars.sd(back)
        return change is not None and usual is not None and abs(change) < 0.5 * usual

    # The 21 bars of sigma_d lie within the 85 sessions.
    quiet = [back for back in sorted(shares)[:20] if back <= 64 and is_quiet(back)][:5]
    scores = [z for z in (z_score(shares.get, 60, back) for back in quiet) if z is not None]
    return sigmoid(statistics.fmean(scores)) if len(scores) >= 3 else None


def dark_pool_pressure(seen: Seen) -> Value:
    age, shares = short_shares(seen, 262)
    if age is None:
        return None
    published = sorted(shares)
    means = {k: statistics.fmean(shares[m] for m in published[i : i + 5]) for i, k in enumerate(published[:-4])}
    z = z_score(means.get, 252, age)
    return None if z is None else math.tanh(z / 2)


def short_squeeze_pressure(seen: Seen) -> Value:
    (age, shares), bars = short_shares(seen, 66), daily(seen)
    if age is None:
        return None
    terms = [
        z_score(shares.get, 20, age),
        z_score(lambda back: bars.log_return(back, 5), 60),
        z_score(lambda back: math.log(bars.volume(back)) if bars.volume(back) else None, 20),
    ]
    if None in terms:
        return None
    return sigmoid(sum(terms)) if bars.log_return(0, 5) > 0 else 0.0
