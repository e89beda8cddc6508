"""Readable twins of the hedge features that speak of one session: exposures, stiffness, works, quality of the chain.

Written from the contract of the features and the specifications of the engines and of options. Greeks come from
``greeks.option_greeks``, depth from the slope that the liquidity engine stored for the session. None means null.
"""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from gnosis.sessions import schedule
from tests.gnosis.features.seen import CALENDAR, RANK, Seen

SIDE = {"C": 1.0, "P": -1.0}
"""Naive sign convention: dealers are long calls and short puts."""
CLOSE_AT = dict(schedule().select("session", "close_at").iter_rows())
NORMAL = statistics.NormalDist()
LEAST_OF_20 = 10


class Chain:
    """Contracts of the session that had not settled at their quote, and the smiles of their expiries."""

    def __init__(self, seen: Seen) -> None:
        rows = seen.rows("greeks.option_greeks", sessions=1)
        self.contracts = [row for row in rows if row["session"] == seen.session and row["reason"] != "settled"]
        self.held = [row for row in self.contracts if row["iv"] is not None and row["open_interest"] is not None]
        in_session = [row for row in self.contracts if row["reason"] != "late"]
        self.spot = max((row["ts"], row["spot"]) for row in in_session)[1] if in_session else None
        self.smiles: dict[tuple, list[tuple[float, float]]] = {}
        for row in self.contracts:
            if row["iv_source"] == "own":
                knot = (math.log(row["strike"] / row["forward"]), row["iv"])
                self.smiles.setdefault(expiry_of(row), []).append(knot)
        self.smiles = {expiry: sorted(set(knots)) for expiry, knots in self.smiles.items()}

    def total(self, greek: Callable[[dict], float]) -> float | None:
        """Sum of x greek OI M; None when no contract has both a volatility and an open interest."""
        if not self.held:
            return None
        return math.fsum(SIDE[row["right"]] * greek(row) * shares(row) for row in self.held)

    def at(self, ratio: float, greek: Callable[..., float]) -> float | None:
        """The same with the Greek revalued at spot x ratio, volatility held by moneyness K/F(p), F(p) = F p/S."""

        def revalued(row: dict) -> float:
            forward = row["forward"] * ratio
            sigma = on_smile(self.smiles[expiry_of(row)], math.log(row["strike"] / forward))
            return greek(row, row["spot"] * ratio, forward, sigma)

        return self.total(revalued)


def expiry_of(row: dict) -> tuple:
    return row["expiry"], row["settlement"], row["root"]


def shares(row: dict) -> float:
    return row["open_interest"] * row["multiplier"]


def on_smile(knots: list[tuple[float, float]], k: float) -> float:
    """Volatility at log-moneyness k: linear between the accepted strikes, flat beyond them."""
    if k <= knots[0][0]:
        return knots[0][1]
    for (left, low), (right, high) in pairwise(knots):
        if k <= right:
            return low + (k - left) / (right - left) * (high - low)
    return knots[-1][1]


def d1(row: dict, forward: float, sigma: float) -> float:
    spread = sigma * math.sqrt(row["tau_years"])
    return math.log(forward / row["strike"]) / spread + spread / 2


def delta(row: dict, price: float, forward: float, sigma: float) -> float:
    side = SIDE[row["right"]]
    return side * forward * row["discount"] / price * NORMAL.cdf(side * d1(row, forward, sigma))


def gamma(row: dict, price: float, forward: float, sigma: float) -> float:
    density = NORMAL.pdf(d1(row, forward, sigma))
    return forward * row["discount"] / price * density / (price * sigma * math.sqrt(row["tau_years"]))


def simpson(values: list[float], step: float) -> float:
    assert len(values) % 2 == 1
    return step / 3 * (values[0] + values[-1] + 4 * math.fsum(values[1:-1:2]) + 2 * math.fsum(values[2:-1:2]))


def bars(seen: Seen, sessions: int) -> dict[int, dict]:
    """Daily bars by how many sessions ago they were."""
    return {seen.back(row["session"]): row for row in seen.rows("raw.equity_bars", sessions=sessions)}


def adv_usd(seen: Seen) -> float | None:
    own = bars(seen, 21)
    dollars = [own[back]["close"] * own[back]["volume"] for back in range(1, 21) if has_volume(own.get(back))]
    return statistics.fmean(dollars) if len(dollars) >= LEAST_OF_20 and sum(dollars) > 0 else None


def has_volume(bar: dict | None) -> bool:
    return bar is not None and bar["volume"] is not None


def log_returns(seen: Seen, sessions: int) -> dict[int, float]:
    price = {back: bar["close"] * bar["adjustment_factor"] for back, bar in bars(seen, sessions + 1).items()}
    return {back: math.log(price[back] / price[back + 1]) for back in range(sessions) if {back, back + 1} <= set(price)}


def lambda_usd_per_share(seen: Seen, spot: float) -> float | None:
    """1e-10 S^2 x slope in bps per $1m: that of the liquidity engine, or sigma_d 1e10/ADV$ where it has no row."""
    own = [row for row in seen.rows("engines.liquidity", sessions=1) if row["session"] == seen.session]
    if own:
        slope = own[0]["liq_kyle_lambda"]
        return None if slope is None else 1e-10 * spot**2 * slope
    returns, adv = log_returns(seen, 20), adv_usd(seen)
    if adv is None or 0 not in returns or len(returns) < LEAST_OF_20:
        return None
    return spot**2 * statistics.stdev(returns.values()) / adv


def per_adv(seen: Seen, dollars: float | None) -> float | None:
    adv = adv_usd(seen)
    return None if dollars is None or adv is None else dollars / adv


def pressure(seen: Seen, ratio: float) -> float | None:
    chain = Chain(seen)
    there, here = chain.at(ratio, delta), chain.at(1.0, delta)
    if there is None:
        return None
    bought = -(there - here) if ratio > 1 else there - here
    return per_adv(seen, bought * chain.spot)


def net_pressure(seen: Seen) -> float | None:
    up, down = pressure(seen, 1.01), pressure(seen, 0.99)
    return None if up is None or down is None else up - down


def stiffness(seen: Seen, end: float, points: int) -> list[float] | None:
    """k(p) at equally spaced p from S to S x end, in shares per $."""
    chain = Chain(seen)
    slope = lambda_usd_per_share(seen, chain.spot) if chain.held else None
    if slope is None:
        return None
    ratios = [1 + (end - 1) * i / (points - 1) for i in range(points)]
    return [1 / slope + chain.at(ratio, gamma) for ratio in ratios]


def elasticity(seen: Seen, end: float = 1.0) -> float | None:
    """At S, or the mean over the path from S to S x end."""
    k = stiffness(seen, end, 51)
    if k is None:
        return None
    mean = k[0] if end == 1.0 else simpson(k, 1 / 50)
    return per_adv(seen, 0.01 * Chain(seen).spot ** 2 * mean)


def work(seen: Seen, end: float) -> float | None:
    """Integral of k(p)|p - S| dp between S and S x end, in $."""
    k, spot = stiffness(seen, end, 51), Chain(seen).spot
    if k is None:
        return None
    step = spot * abs(end - 1) / 50
    return simpson([k[i] * i * step for i in range(51)], step)


def energy(seen: Seen, end: float) -> float | None:
    found = per_adv(seen, work(seen, end))
    return None if found is None else found / (0.01 / 2)


def mean_energy(seen: Seen) -> float | None:
    up, down = energy(seen, 1.01), energy(seen, 0.99)
    return None if up is None or down is None else 0.5 * (max(up, 0.0) + max(down, 0.0))


def energy_asymmetry(seen: Seen) -> float | None:
    up, down = work(seen, 1.01), work(seen, 0.99)
    if up is None or down is None:
        return None
    up, down = max(up, 0.0), max(down, 0.0)
    return (down - up) / (down + up) if down + up > 0 else None


def potential_shape(seen: Seen) -> str | None:
    spot, works = Chain(seen).spot, {0.0: 0.0}
    for end in (0.95, 1.05):
        k = stiffness(seen, end, 41)
        if k is None:
            return None
        step = spot * 0.05 / 40
        for n in range(2, 41, 2):
            works[(end - 1) * n / 40] = simpson([k[i] * i * step for i in range(n + 1)], step)
    x = np.array(list(works))
    powers = np.stack([(x / 0.05) ** j for j in (2, 3, 4)], axis=1)
    fit, *_ = np.linalg.lstsq(powers, np.array(list(works.values())))
    sizes = [abs(a) for a in fit]
    if sum(sizes) == 0:
        return None
    if fit[0] < 0 < fit[2]:
        return "double_well"
    if sizes[2] / sum(sizes) > 0.5:
        return "quartic"
    return "cubic" if sizes[1] / sum(sizes) > 0.25 else "quadratic"


def gamma_pressure(seen: Seen) -> float | None:
    chain = Chain(seen)
    shares_per_usd = chain.total(lambda row: row["gamma_per_usd"])
    return None if shares_per_usd is None else per_adv(seen, shares_per_usd * chain.spot**2 * 0.01)


def vanna_pressure(seen: Seen) -> float | None:
    chain = Chain(seen)
    per_vol = chain.total(lambda row: row["vanna_per_vol"])
    return None if per_vol is None else per_adv(seen, per_vol * chain.spot * 0.01)


def charm_pressure(seen: Seen) -> float | None:
    chain = Chain(seen)
    per_year = chain.total(lambda row: row["charm_per_year"])
    return None if per_year is None else per_adv(seen, per_year * chain.spot / 365)


def gamma_sign(seen: Seen) -> float | None:
    chain = Chain(seen)
    unsigned = math.fsum(row["gamma_per_usd"] * shares(row) for row in chain.held)
    return chain.total(lambda row: row["gamma_per_usd"]) / unsigned if unsigned > 0 else None


def agreement(seen: Seen) -> float | None:
    buckets = [0.0] * 4
    for row in Chain(seen).held:
        bucket = next(b for b, last in enumerate((1, 7, 35, math.inf)) if row["dte_days"] <= last)
        buckets[bucket] += SIDE[row["right"]] * row["gamma_per_usd"] * shares(row) * row["spot"] ** 2 * 0.01
    size = math.fsum(abs(gex) for gex in buckets)
    return abs(math.fsum(abs(gex) / size * math.copysign(gex != 0, gex) for gex in buckets)) if size else None


def confidence(seen: Seen) -> float | None:
    chain = Chain(seen)
    if not chain.contracts:
        return None
    contract = ("expiry", "settlement", "right", "strike", "root")
    arrived = {tuple(row[name] for name in contract): row for row in chain.contracts}
    expected = {
        tuple(row[name] for name in contract): row["open_interest"]
        for row in seen.rows("greeks.option_greeks", sessions=2)
        if seen.back(row["session"]) == 1 and not is_settled(row, seen.session)
    }
    close = CLOSE_AT[seen.session]
    quotes = {
        tuple(row[name] for name in contract): row
        for row in seen.rows("raw.option_quotes", sessions=1)
        if row["session"] == seen.session and row["ts"] <= close
    }
    listing = sorted({*arrived, *expected})
    quoted, fresh, spreads = [], [], []
    for key in listing:
        if abs(math.log(key[3] / chain.spot)) > 0.10:
            continue
        quote = quotes.get(key)
        is_two_sided = quote is not None and 0 < (quote["bid"] or 0) < (quote["ask"] or 0)
        age = None if quote is None else close - dt.timedelta(minutes=15) - quote["ts"]
        quoted.append(float(is_two_sided))
        fresh.append(0.0 if age is None else math.exp(-max(age / dt.timedelta(minutes=15), 0.0)))
        mid = (quote["bid"] + quote["ask"]) / 2 if is_two_sided else math.nan
        spreads.append(min(1.0, (quote["ask"] - quote["bid"]) / mid) if is_two_sided else 1.0)
    # What was expected weighs by the open interest with which it was expected: its arrival must not change the whole.
    known = {key: row["open_interest"] for key, row in arrived.items()}
    weight = {key: known.get(key) if expected.get(key) is None else expected[key] for key in listing}
    usable = {tuple(row[name] for name in contract) for row in chain.held}
    interest = math.fsum(weight[key] or 0.0 for key in listing)
    if not quoted or interest == 0:
        return 0.0
    covered = math.fsum(weight[key] or 0.0 for key in usable) / interest
    factors = (statistics.fmean(quoted), statistics.fmean(fresh), covered, 1 - statistics.median(spreads))
    return math.prod(factors) ** 0.25


def is_settled(row: dict, session: dt.date) -> bool:
    """Whether a contract settles before the snapshot of a session, at the close or (am) the opening of its last one."""
    last = max(day for day in CALENDAR[RANK[session] - 10 :] if day <= row["expiry"])
    return last < session or (last == session and row["settlement"] == "am")
