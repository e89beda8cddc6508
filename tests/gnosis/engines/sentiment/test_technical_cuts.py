"""Flags of daily bars at their cuts: false breaks by volume, exhaustion and build-up by coherence."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from gnosis.engines.points import DailyBars, daily_points
from gnosis.engines.sentiment.technical_regime import daily_features


def features(bars, sessions=None):
    points = daily_points(bars, sessions)
    return points, DailyBars(points, bars).compute_all(daily_features)


def test_exhaustion_and_buildup_compare_with_ten_sessions_ago(walk):
    _, found = features(walk(n=1500, sigma=0.02, seed=6))
    energy, coherence = found["sent_momentum_energy"], found["sent_trend_coherence"]
    more, less = (part[60:] / part[50:-10] for part in (energy, coherence))
    assert ((more > 1.2) & (less > 0.7) & (less < 0.8)).any()
    assert ((more < 0.8) & (less > 1.2) & (less < 1.3)).any()
    assert (found["sent_exhaustion_detected"][60:] == ((more > 1.2) & (less < 0.8))).all()
    assert (found["sent_buildup_detected"][60:] == ((more < 0.8) & (less > 1.2))).all()


@pytest.mark.parametrize(
    ("name", "ratio", "is_set"),
    [
        ("sent_utad_detected", 1.19, 0.0),
        ("sent_utad_detected", 1.21, 1.0),
        ("sent_spring_detected", 1.09, 1.0),
        ("sent_spring_detected", 1.11, 0.0),
    ],
)
def test_false_breaks_want_their_volume(walk, name, ratio, is_set):
    bars = walk(n=900, sigma=0.02, seed=2)
    points, found = features(bars)
    at = int(np.flatnonzero(found[name] == 1.0)[0])
    seen = bars[: at + 1]
    volume = np.array(seen["volume"])
    volume[-5:] = ratio * volume[-31:-6].mean()
    _, changed = features(seen.with_columns(volume=pl.Series(volume)), [points.frame["session"][at]])
    assert changed[name].item() == is_set
