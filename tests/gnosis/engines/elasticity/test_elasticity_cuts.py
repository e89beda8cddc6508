"""Values on a cut and beside it: which label each of them gets."""

import numpy as np
import pytest

from gnosis.engines.elasticity.charm_decay import charm_regime
from gnosis.engines.elasticity.dealer_positioning import gamma_regime
from gnosis.engines.elasticity.inputs import windows
from gnosis.engines.elasticity.regime_and_flip import jump_risk_regime, jump_score, primary_regime
from gnosis.engines.elasticity.state import DIRECTIONS, easier_direction
from gnosis.engines.elasticity.vanna_flow import above_own_quantile, vanna_regime
from gnosis.engines.regimes import CharmRegime, GammaRegime, JumpRiskRegime, PrimaryRegime, VannaRegime
from gnosis.engines.trailing import banded

# Quantiles of 0 to 100 are whole: the 20th percentile is 20, the median 50, the 80th percentile 80.
ASCENDING = np.arange(101.0)
# Of alternating signs: the sizes have these quantiles, the values others.
ALTERNATING = ASCENDING * np.where(np.arange(101) % 2, 1.0, -1.0)


def followed_by(value, past=ASCENDING):
    return windows(np.append(past, value)[None, :])


def word(kind, codes):
    (code,) = codes
    return None if np.isnan(code) else list(kind)[int(code)].value


@pytest.mark.parametrize(
    ("value", "past", "label"),
    [
        (19.9, ALTERNATING, "low_gamma_expansion"),
        (-19.9, ALTERNATING, "low_gamma_expansion"),
        (20.0, ALTERNATING, "neutral"),
        (29.9, ALTERNATING, "neutral"),
        (-30.0, ASCENDING - 50, "neutral"),
        (-30.1, ASCENDING - 50, "short_gamma_squeeze"),
        (30.0, ASCENDING - 50, "neutral"),
        (30.1, ASCENDING - 50, "long_gamma_compression"),
        # The smallest of positive gammas are not short.
        (20.0, ASCENDING, "neutral"),
        (19.9, ASCENDING, "low_gamma_expansion"),
    ],
)
def test_gamma(value, past, label):
    assert word(GammaRegime, gamma_regime(followed_by(value, past))) == label


@pytest.mark.parametrize(
    ("value", "is_high", "label"),
    [
        (80.1, 1.0, "high_vanna_high_vol"),
        (-80.1, 0.0, "high_vanna_low_vol"),
        (80.0, 1.0, "vanna_flow"),
        (50.1, np.nan, "vanna_flow"),
        (50.0, 1.0, "neutral"),
        (80.1, np.nan, None),
    ],
)
def test_vanna(value, is_high, label):
    found = vanna_regime(followed_by(value, ALTERNATING), np.array([20.0]), np.array([is_high]))
    assert word(VannaRegime, found) == label


@pytest.mark.parametrize(("vix", "is_high"), [(80.0, 0.0), (80.1, 1.0), (70.1, 0.0)])
def test_vix_is_high_above_its_own_80th_percentile(vix, is_high):
    assert above_own_quantile(np.append(ASCENDING, vix)[None, :], 0.8).tolist() == [is_high]


@pytest.mark.parametrize(
    ("value", "days", "label"),
    [
        (80.1, 6.99, "high_charm_decay_acceleration"),
        (-80.1, 7.0, "charm_decay_dominant"),
        (80.0, 6.99, "neutral"),
        (80.1, np.nan, None),
    ],
)
def test_charm(value, days, label):
    assert word(CharmRegime, charm_regime(followed_by(value, ALTERNATING), np.array([days]))) == label


def test_dealers_are_short_below_a_gamma_sign_of_minus_three_tenths():
    signs = [-0.31, np.nextafter(-0.3, -1.0), -0.3, 0.0, np.nan]
    assert jump_score([[0.0, 0.0, 0.0]] * 5, signs).tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("score", "label"),
    [
        (np.nextafter(1.0, 0.0), "continuous_diffusion"),
        (1.0, "moderate_jump_risk"),
        (2.0, "moderate_jump_risk"),
        (np.nextafter(2.0, 3.0), "high_jump_risk"),
    ],
)
def test_jump_risk(score, label):
    assert word(JumpRiskRegime, jump_risk_regime(np.array([score]))) == label


@pytest.mark.parametrize(
    ("gamma", "vanna", "charm", "label"),
    [
        (np.nextafter(1.0, 0.0), 0.0, 0.0, "neutral"),
        (1.0, 0.0, 0.0, "gamma_dominant"),
        (-2.0, 2.0, 2.0, "gamma_dominant"),
        (1.0, -2.0, 2.0, "vanna_dominant"),
        (1.0, 1.5, -2.0, "charm_dominant"),
    ],
)
def test_primary(gamma, vanna, charm, label):
    found = primary_regime(np.array([0.0]), *(np.array([z]) for z in (gamma, vanna, charm)))
    assert word(PrimaryRegime, found) == label


def test_ranks():
    assert banded(np.array([0.199, 0.2, 0.8, 0.801])).tolist() == [0.0, 1.0, 1.0, 2.0]


def test_direction_is_named_above_the_usual_asymmetry_only():
    usual = np.full(4, 0.2)
    found = easier_direction(np.array([0.2, -0.2, 0.2001, -0.2001]), usual)
    assert [DIRECTIONS[int(code)] for code in found] == ["none", "none", "up", "down"]
