"""Readable twins and hand-made numbers of the 24 hedge features."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.gnosis.features.seen import Seen
from tests.gnosis.features.twins import hedge_exposures as exposures
from tests.gnosis.features.twins import hedge_regimes as regimes
from tests.gnosis.features.twins.hedge_numbers import NUMBERS

UP, DOWN = 1.01, 0.99

TWINS: dict[str, Callable[[Seen], object]] = {
    "hedge_pressure_up": partial(exposures.pressure, ratio=UP),
    "hedge_pressure_down": partial(exposures.pressure, ratio=DOWN),
    "hedge_net_pressure": exposures.net_pressure,
    "hedge_elasticity": exposures.elasticity,
    "hedge_movement_energy": exposures.mean_energy,
    "hedge_elasticity_up": partial(exposures.elasticity, end=UP),
    "hedge_elasticity_down": partial(exposures.elasticity, end=DOWN),
    "hedge_movement_energy_up": partial(exposures.energy, end=UP),
    "hedge_movement_energy_down": partial(exposures.energy, end=DOWN),
    "hedge_energy_asymmetry": exposures.energy_asymmetry,
    "hedge_gamma_pressure": exposures.gamma_pressure,
    "hedge_vanna_pressure": exposures.vanna_pressure,
    "hedge_charm_pressure": exposures.charm_pressure,
    "hedge_dealer_gamma_sign": exposures.gamma_sign,
    "hedge_primary_regime": regimes.primary_regime,
    "hedge_gamma_regime": regimes.gamma_regime,
    "hedge_vanna_regime": regimes.vanna_regime,
    "hedge_charm_regime": regimes.charm_regime,
    "hedge_jump_risk_regime": regimes.jump_risk,
    "hedge_potential_shape": exposures.potential_shape,
    "hedge_confidence": exposures.confidence,
    "hedge_regime_stability": regimes.stability,
    "hedge_cross_asset_correlation": regimes.vix_correlation,
    "hedge_mtf_agreement": exposures.agreement,
}

__all__ = ["NUMBERS", "TWINS"]
