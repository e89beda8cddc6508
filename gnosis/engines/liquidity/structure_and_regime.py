"""Structure of traded volume and ranges, and how liquid the market is against its own last year."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnosis.engines.indicators import atr, bollinger, close_location, ema, rolling_sum
from gnosis.engines.intraday_bars import SeenBars
from gnosis.engines.liquidity.impact_and_lambda import amihud_of
from gnosis.engines.liquidity.inputs import WINDOW, LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.points import Floats, Integers, Panel, Points
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import YEAR, History, Series, least
from gnosis.engines.volume_profile import VolumeProfile, bin_kinds, clusters, value_area, volume_profiles
from gnosis.engines.wyckoff import LAST_BARS, TEST_BARS, Range, value_at, wyckoff_phase
from gnosis.reasons import LEAST_SHARE, SURE

PROFILE_SESSIONS = 60
WYCKOFF_WINDOW = 120
NEAR = 0.10
MOST = 20
SQUEEZE_MOST = 120
EFFORT_BARS = 10
EFFORT = 0.5
GAP_IN_ATR = 0.5
FEWEST_COMPONENTS = 3
CUTS = (0.8, 0.6, 0.4, 0.2)
"""Scores from which a market is Abundant, Normal, Thin, Stressed; below it is in Crisis."""


def liquidity_score(*ranks: Floats) -> Floats:
    """Return 1 minus the mean of the known percentile ranks of costs, at least three of them.

    Examples
    --------
    >>> liquidity_score(np.array([0.2, 0.2]), np.array([0.4, np.nan]), np.array([0.6, 0.6])).round(12).tolist()
    [0.6, nan]
    """
    stacked = np.stack(ranks)
    known = (~np.isnan(stacked)).sum(axis=0)
    mean = np.nansum(stacked, axis=0) / np.maximum(known, 1)
    return np.where(known >= FEWEST_COMPONENTS, 1.0 - mean, np.nan)


def score_regime(score: Floats) -> Floats:
    """Return the position in :class:`gnosis.engines.regimes.LiquidityRegime` of each score.

    Examples
    --------
    >>> score_regime(np.array([0.8, 0.79, 0.1, np.nan])).tolist()
    [0.0, 1.0, 4.0, nan]
    """
    code = np.sum([score < cut for cut in CUTS], axis=0).astype(np.float64)
    return np.where(np.isnan(score), np.nan, code)


def distance_to_cut(score: Floats) -> Floats:
    """Return how far each score is from the nearest cut of its regime.

    Examples
    --------
    >>> distance_to_cut(np.array([0.8, 0.75])).round(12).tolist()
    [0.0, 0.05]
    """
    return np.abs(score[:, None] - np.array(CUTS)).min(axis=1)


def process(
    inputs: LiquidityInputs,
    history: History,
    parameters: LiquidityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return structure, score and regime at every point; reads SlippageField and ImpactAndLambda.

    The profile is that of 5-minute bars where most of those of 60 sessions are there, else of daily bars. The
    confidence is min(1, n/252) x (0.7 x share of the expected 5-minute bars + 0.3 x share of the daily bars), n the
    sessions with rows, the point's own among them.
    """
    del parameters
    covered = np.zeros(len(inputs.points))
    if inputs.intraday5 is not None:
        covered = inputs.intraday5.coverage(PROFILE_SESSIONS)
    daily = inputs.daily_coverage(PROFILE_SESSIONS)
    found = inputs.bars.compute_all(_of_daily_bars)
    profile = _profile(inputs, covered >= LEAST_SHARE, found)
    values = {name: found[name] for name in found if name.startswith("liq_")}
    values |= profile_structure(profile, found["close"], found["atr14"])
    ranks = [
        history.series(name, np.asarray(earlier[processor].values[name])).percentile_rank()
        for processor, name in (("slippage_field", "liq_friction_cost"), ("impact_and_lambda", "liq_kyle_lambda"))
    ]
    score = liquidity_score(*ranks, found["amihud_rank"], found["scarcity_rank"])
    sessions = history.sessions(YEAR - 1) + 1
    values |= {
        "liq_score": score,
        "liq_regime": score_regime(score),
        "liq_polr_strength": np.abs(values["liq_polr_direction"]) * score,
    }
    return ProcessorResult(
        values,
        np.minimum(1.0, sessions / YEAR) * (0.7 * covered + 0.3 * daily),
        {
            "NO_INTRADAY": covered == 0.0,
            "SOURCE_MISSING": (covered > 0.0) & (covered < SURE),
            "SHORT_HISTORY": (sessions < YEAR) | (daily < 1.0),
        },
        covered < LEAST_SHARE,
    )


def profile_structure(profile: VolumeProfile, close: Floats, atr14: Floats) -> dict[str, Floats]:
    """Return zones, balance and direction of least resistance by the volume profile of each point.

    Parameters
    ----------
    profile
        One window per point.
    close, atr14
        $ in the prices of the profile, shape (points,).

    Returns
    -------
    dict
        Columns of ``engines.liquidity``; NaN where the profile or the close is unknown.

    Examples
    --------
    >>> profile = VolumeProfile(np.array([[9.0, 1.0, 4.0, 4.0, 1.0, 9.0]]), np.array([97.0]), np.array([103.0]))
    >>> found = profile_structure(profile, np.array([100.0]), np.array([2.0]))
    >>> {name.removeprefix("liq_"): value.item() for name, value in found.items()}
    {'n_absorption_zones': 2.0, 'n_displacement_zones': 2.0, 'hvn_lvn_balance': 0.0, 'polr_direction': 0.0}
    """
    n = close.size
    kinds = bin_kinds(profile)
    high, low = clusters(profile, kinds, 1), clusters(profile, kinds, -1)
    near = np.abs(high.centre / close[high.window] - 1.0) <= NEAR
    first, last = np.full(n, kinds.shape[1]), np.full(n, -1)
    np.minimum.at(first, high.window, high.first)
    np.maximum.at(last, high.window, high.last)
    between = (low.first > first[low.window]) & (low.last < last[low.window])
    known = ~np.isnan(profile.volume[:, 0] + close)

    heavy = np.where(kinds == 1, profile.volume, 0.0)
    below = volume_below(VolumeProfile(heavy, profile.low, profile.high), close)
    above = heavy.sum(axis=1) - below
    up, here, down = (volume_below(profile, close + step) for step in (atr14, 0.0, -atr14))
    to_cross_up, to_cross_down = up - here, here - down
    return {
        "liq_n_absorption_zones": _counts(high.window[near], n, known),
        "liq_n_displacement_zones": _counts(low.window[between], n, known),
        "liq_hvn_lvn_balance": _balance(below, above),
        "liq_polr_direction": np.tanh(2.0 * _balance(to_cross_down, to_cross_up)),
    }


def volume_below(profile: VolumeProfile, price: Floats) -> Floats:
    """Return the volume below a price of each window, spread evenly within the bins.

    Examples
    --------
    >>> profile = VolumeProfile(np.array([[10.0, 20.0]]), np.array([100.0]), np.array([102.0]))
    >>> volume_below(profile, np.array([101.5])).tolist()
    [20.0]
    """
    bins = profile.volume.shape[1]
    width = profile.high - profile.low
    place = np.clip((price - profile.low) / np.where(width > 0.0, width, np.nan) * bins, 0.0, bins)
    inside = np.clip(place[:, None] - np.arange(bins), 0.0, 1.0)
    return (profile.volume * inside).sum(axis=1)


def _counts(window: Integers, n: int, known: Floats) -> Floats:
    return np.where(known, np.minimum(np.bincount(window, minlength=n), MOST), np.nan)


def _balance(a: Floats, b: Floats) -> Floats:
    """Return (a - b)/(a + b), NaN where both are 0."""
    total = a + b
    return np.clip((a - b) / np.where(total > 0.0, total, np.nan), -1.0, 1.0)


def _profile(inputs: LiquidityInputs, from_intraday: np.ndarray, daily: Mapping[str, Floats]) -> VolumeProfile:
    volume, low, high = (daily[f"profile_{name}"] for name in ("volume", "low", "high"))
    if inputs.intraday5 is None or not from_intraday.any():
        return VolumeProfile(volume, low, high)

    def of(seen: SeenBars, panel: Panel) -> dict[str, Floats]:
        factor = seen.factor(panel)
        # Without its volume or its factor a bar has no place in the profile.
        starts, ends, (lows, highs, volumes) = _known_only(
            *seen.last(PROFILE_SESSIONS), seen.low * factor, seen.high * factor, seen.volume / factor
        )
        found = volume_profiles(lows, highs, volumes, starts, np.where(from_intraday[seen.at], ends, starts))
        return {"volume": found.volume, "low": found.low, "high": found.high}

    found = inputs.intraday5.compute_with(inputs.bars, of)
    return VolumeProfile(
        np.where(from_intraday[:, None], found["volume"], volume),
        np.where(from_intraday, found["low"], low),
        np.where(from_intraday, found["high"], high),
    )


def _known_only(starts: Integers, ends: Integers, *bars: Floats) -> tuple[Integers, Integers, list[Floats]]:
    """Return slices and bars without those of which something is unknown."""
    known = ~np.isnan(np.sum(bars, axis=0))
    place = np.concatenate([[0], np.cumsum(known)])
    return place[starts], place[ends], [part[known] for part in bars]


def _daily_profile(panel: Panel, points: Points, window: int, without: int, fewest: int) -> VolumeProfile:
    """Return the profile of the daily bars of a window less its last bars; NaN with fewer known bars than needed."""
    width = panel.close.shape[1]
    column = points.position - panel.first
    starts = points.symbol * width + np.maximum(column - window + 1, 0)
    ends = points.symbol * width + np.maximum(column - without + 1, 0)
    starts, ends, (low, high, volume) = _known_only(
        starts, np.maximum(starts, ends), *(side.reshape(-1) for side in (panel.low, panel.high, panel.adjusted_volume))
    )
    return volume_profiles(low, high, volume, starts, np.where(ends - starts >= fewest, ends, starts))


def _of_daily_bars(panel: Panel, points: Points) -> dict[str, Floats]:
    """Return the features of daily bars, and what the others need of them."""
    from gnosis.engines.liquidity.structure_kernel import open_gaps

    symbol, column = points.symbol, points.position - panel.first
    high, low, close, volume = panel.high, panel.low, panel.close, panel.adjusted_volume

    def series(values: Floats) -> Series:
        return Series(values, symbol, column, values[symbol, column])

    atr14 = atr(high, low, close)
    bands = bollinger(close)
    compression = 1.0 - series(bands.bandwidth).percentile_rank(YEAR)
    middle, reach = ema(close, 20), 1.5 * atr(high, low, close, 20)
    is_squeeze = (bands.upper < middle + reach) & (bands.lower > middle - reach)
    run = squeeze_sessions(np.where(np.isnan(bands.upper + middle + reach), np.nan, is_squeeze), symbol, column)
    usual = _mean_before(volume)
    relative = volume / np.where(usual > 0.0, usual, np.nan)
    location = close_location(high, low, close)
    total = rolling_sum(volume, EFFORT_BARS)[symbol, column]
    efforts = {
        name: rolling_sum(np.where(np.isnan(location), np.nan, volume * chosen), EFFORT_BARS)[symbol, column]
        for name, chosen in (("liq_buying_effort", location > EFFORT), ("liq_selling_effort", location < -EFFORT))
    }
    profile = _daily_profile(panel, points, PROFILE_SESSIONS, 0, least(PROFILE_SESSIONS))
    area, before = (
        value_area(_daily_profile(panel, points, WYCKOFF_WINDOW, without, WYCKOFF_WINDOW - without))
        for without in (LAST_BARS, TEST_BARS)
    )
    phase = wyckoff_phase(
        high, low, close, volume, symbol, column,
        window=WYCKOFF_WINDOW, edges=Range(*area), earlier_edges=Range(*before),
        reach=value_at(atr14, symbol, column - LAST_BARS),
    )  # fmt: skip
    closes = panel.trailing(points, close, WYCKOFF_WINDOW)
    inside = ((closes >= area.low[:, None]) & (closes <= area.high[:, None])).sum(axis=1) / WYCKOFF_WINDOW
    adv_usd = _mean_before(panel.traded_close * panel.volume)
    own_atr = atr14[symbol, column]
    return {
        "close": close[symbol, column],
        "atr14": own_atr,
        "profile_volume": profile.volume,
        "profile_low": profile.low,
        "profile_high": profile.high,
        "amihud_rank": series(amihud_of(panel)).percentile_rank(YEAR),
        "scarcity_rank": series(1.0 / np.where(adv_usd > 0.0, adv_usd, np.nan)).percentile_rank(YEAR),
        "liq_n_voids": open_gaps(
            high, low, close, symbol, column, GAP_IN_ATR * own_atr, PROFILE_SESSIONS, NEAR, MOST
        ),
        "liq_compression_energy": compression,
        "liq_expansion_energy": compression * run / 20.0,
        "liq_volume_strength": series(relative).percentile_rank(PROFILE_SESSIONS),
        **{name: effort / np.where(total > 0.0, total, np.nan) for name, effort in efforts.items()},
        "liq_wyckoff_phase": phase,
        "liq_wyckoff_energy": np.where(np.isnan(area.low + closes.sum(axis=1)), np.nan, inside) * compression,
    }  # fmt: skip


def squeeze_sessions(is_squeeze: Floats, symbol: Integers, column: Integers) -> Floats:
    """Return the number of sessions in a row, up to each point's own, in which the bands lay inside; at most 120.

    Parameters
    ----------
    is_squeeze
        1, 0 or NaN, shape (symbols, sessions).
    symbol, column
        Row and column of each point.

    Returns
    -------
    numpy.ndarray
        NaN where the run begins with an unknown session before 120 are counted.

    Examples
    --------
    >>> squeeze_sessions(np.array([[0.0, 1.0, 1.0, 0.0]]), np.array([0, 0]), np.array([2, 3])).tolist()
    [2.0, 0.0]
    """
    place = np.arange(is_squeeze.shape[1])
    stop = np.maximum.accumulate(np.where(is_squeeze == 1.0, -1, place), axis=1)[symbol, column]
    length = np.minimum(column - stop, SQUEEZE_MOST)
    before = np.where(stop >= 0, is_squeeze[symbol, np.maximum(stop, 0)], np.nan)
    return np.where((length < SQUEEZE_MOST) & np.isnan(before), np.nan, length)


def _mean_before(values: Floats) -> Floats:
    """Return the mean of the 20 sessions before each, NaN with fewer than 10 of them."""
    symbol, column = (place.reshape(-1) for place in np.indices(values.shape))
    return Series(values, symbol, column, values.reshape(-1)).mean(WINDOW).reshape(values.shape)
