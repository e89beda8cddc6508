"""MovementEnergy: the work of moving the price, and the shape of the potential around it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnosis.engines import physics
from gnosis.engines.elasticity.elasticity_field import path_slopes
from gnosis.engines.elasticity.greek_field import PATH, POTENTIAL
from gnosis.engines.elasticity.inputs import ElasticityInputs
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.potential import potential, potential_shapes
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.trailing import History


def process(
    inputs: ElasticityInputs,
    history: History,
    parameters: ElasticityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the works of 1 % and the potential within 5 %; confidence is that of the elasticity field."""
    field = earlier["elasticity_field"]
    adv = np.where(inputs.daily.adv_usd > 0, inputs.daily.adv_usd, np.nan)
    spot = inputs.chains.spot
    work = physics.path_work(spot, path_slopes(inputs, PATH))
    up, down = (physics.normalised_work(side, adv) for side in work)
    shapes = potential_shapes(potential(spot, path_slopes(inputs, POTENTIAL)))
    values = {
        "energy_up_usd": work.up,
        "energy_down_usd": work.down,
        "hedge_movement_energy": physics.movement_energy(up, down),
        "hedge_movement_energy_up": up,
        "hedge_movement_energy_down": down,
        "hedge_energy_asymmetry": physics.energy_asymmetry(*work),
        "potential_a2": shapes.a2,
        "potential_a3": shapes.a3,
        "potential_a4": shapes.a4,
        "potential_residual": shapes.residual,
        "hedge_potential_shape": shapes.code,
    }
    confidence = np.where(np.isnan(work.up), 0.0, field.confidence)
    return ProcessorResult(values, confidence, field.reasons, field.is_proxy)
