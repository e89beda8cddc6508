"""Movement of daily bars and the volume behind it: features 59 and 103 to 111."""

from __future__ import annotations

import numpy as np

from gnosis.engines import indicators as bars
from gnosis.engines.points import Floats
from gnosis.engines.regimes import MultiPeriodRegime
from gnosis.engines.sentiment.daily_values import DailyValues, flag, positive

PERIODS = (10, 20, 50)


def momentum(daily: DailyValues) -> dict[str, Floats]:
    """Return the features 59 and 103 to 111 at the points, by column, and ``vote``, the mean vote of feature 59."""
    from gnosis.engines.sentiment.momentum_kernel import correlation

    at, returns, volume = daily.at, daily.returns, daily.volume
    size = np.abs(returns)
    path14 = bars.rolling_sum(size, 14)
    energy = 100.0 * path14
    coherence = np.minimum(np.abs(bars.rolling_sum(returns, 20)) / positive(bars.rolling_sum(size, 20)), 1.0)
    now, before = (at(energy), at(coherence)), (at(energy, 10), at(coherence, 10))
    known = (*now, *before)
    exhaustion = flag((now[0] > 1.2 * before[0]) & (now[1] < 0.8 * before[1]), *known)
    buildup = flag((now[0] < 0.8 * before[0]) & (now[1] > 1.2 * before[1]), *known)

    mean14 = bars.rolling_mean(volume, 14)
    mean60 = bars.rolling_mean(volume, 60)
    relative = bars.rolling_sum(volume / positive(bars.previous(mean60)), 14)
    short, long = at(mean14), at(mean60)
    confirmation = flag(short > 1.1 * long, short, long)

    sd14, sd120 = at(bars.rolling_sd(returns, 14)), at(bars.rolling_sd(returns, 120), 14)
    usual = at(bars.rolling_mean(volume, 120), 14)
    sd60 = at(daily.panel.sd60)
    votes = [_vote(at(bars.rolling_sum(returns, n)), sd60, n) for n in PERIODS]
    regime = multi_period_regime(*votes)
    regime[np.isnan(at(daily.panel.close))] = np.nan
    return {
        "sent_multi_period_regime": regime,
        "sent_momentum_energy": now[0],
        "sent_trend_coherence": now[1],
        "sent_exhaustion_detected": exhaustion,
        "sent_buildup_detected": buildup,
        "sent_volume_trend_correlation": at(correlation(size, np.log(positive(volume)), 14)),
        "sent_energy_per_volume": at(path14) / positive(at(relative)),
        "sent_volume_confirmation": confirmation,
        "sent_exhaustion_vs_continuation": exhaustion_vs_continuation(exhaustion, buildup, now[1], confirmation),
        "sent_metabolic_load": (sd14 / positive(sd120)) * (short / positive(usual)),
        "vote": (votes[0] + votes[1] + votes[2]) / len(PERIODS),
    }


def multi_period_regime(vote10: Floats, vote20: Floats, vote50: Floats) -> Floats:
    """Return the position of the label in ``MultiPeriodRegime`` from three votes of -1, 0 or 1; NaN is unknown.

    Examples
    --------
    >>> votes = [1.0, 1.0, -1.0, np.nan], [1.0, -1.0, 0.0, 1.0], [0.0, 1.0, -1.0, 1.0]
    >>> [list(MultiPeriodRegime)[int(code)].value for code in multi_period_regime(*map(np.array, votes))]
    ['bullish_consensus', 'mixed', 'bearish_consensus', 'unknown']
    """
    votes = (vote10, vote20, vote50)
    # Sums of few arrays one after the other: numpy takes long over a short axis.
    up, down = (sum((side(vote, 0.0).astype(np.int8) for vote in votes), np.int8(0)) for side in (np.greater, np.less))
    labels = list(MultiPeriodRegime)
    found = np.full(vote10.shape, float(labels.index(MultiPeriodRegime.MIXED)))
    found[(up >= 2) & (down == 0)] = labels.index(MultiPeriodRegime.BULLISH_CONSENSUS)
    found[(down >= 2) & (up == 0)] = labels.index(MultiPeriodRegime.BEARISH_CONSENSUS)
    found[np.isnan(vote10 + vote20 + vote50)] = labels.index(MultiPeriodRegime.UNKNOWN)
    return found


def exhaustion_vs_continuation(exhaustion: Floats, buildup: Floats, coherence: Floats, confirmation: Floats) -> Floats:
    """Return 0.4 (buildup - exhaustion) + 0.2 of coherence above 0.7 or -0.2 below 0.3, and +-0.2 by volume.

    Examples
    --------
    >>> one = np.array([1.0])
    >>> exhaustion_vs_continuation(0.0 * one, one, 0.9 * one, one).round(12).tolist()
    [0.8]
    """
    steady = 0.2 * (coherence > 0.7) - 0.2 * (coherence < 0.3)
    steady[np.isnan(coherence)] = np.nan
    return np.clip(0.4 * (buildup - exhaustion) + steady + 0.2 * (2.0 * confirmation - 1.0), -0.8, 0.8)


def _vote(total: Floats, sd: Floats, n: int) -> Floats:
    """Return the sign of a return over n sessions beyond one standard deviation, else 0; NaN where unknown."""
    vote = np.where(np.abs(total) > sd * np.sqrt(float(n)), np.sign(total), 0.0)
    vote[np.isnan(total + sd)] = np.nan
    return vote
