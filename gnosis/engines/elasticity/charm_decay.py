"""CharmDecay: what dealers trade as time passes at unchanged spot and smile."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnosis.engines.elasticity.inputs import ElasticityInputs
from gnosis.engines.elasticity.labels import absolute, first_label, passed_on, united
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.points import Floats
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.regimes import CharmRegime
from gnosis.engines.trailing import History, Series

ACCELERATION_BELOW_DAYS = 7.0


def charm_regime(pressure: Series, weighted_dte_days: Floats) -> Floats:
    """Return the code of the charm regime of each value against the 80th percentile of its own past.

    Parameters
    ----------
    pressure
        Charm pressure over time.
    weighted_dte_days
        Days to expiry weighted by open interest; below 7 a large charm accelerates.
    """
    size = absolute(pressure)
    c, high = size.values, size.quantile(0.8)
    kind = CharmRegime
    conditions = {
        kind.HIGH_CHARM_DECAY_ACCELERATION: (c > high) & (weighted_dte_days < ACCELERATION_BELOW_DAYS),
        kind.CHARM_DECAY_DOMINANT: c > high,
    }
    return first_label(kind, conditions, ~np.isnan(c) & ~np.isnan(high) & ~np.isnan(weighted_dte_days))


def process(
    inputs: ElasticityInputs,
    history: History,
    parameters: ElasticityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return the flows of time; confidence is that of the dealer positioning.

    Dealers trade minus the change of their delta. Until the close that change is charm times the time of expiries of
    more than a day, and by full revaluation of nearer ones; until the same time of the next session all is revalued.
    What expires on the way ends at its intrinsic delta, and the hedge of what is settled in cash is lifted after that:
    ``expiry_unwind_usd``.
    """
    dealer = earlier["dealer_positioning"]
    cex = np.asarray(dealer.values["cex_usd_per_day"])
    adv = np.where(inputs.daily.adv_usd > 0, inputs.daily.adv_usd, np.nan)
    field, name = inputs.field, inputs.convention
    known = np.where(np.isnan(cex), np.nan, 1.0)
    pressure = cex / adv
    regime = charm_regime(
        history.series("hedge_charm_pressure", pressure),
        np.asarray(earlier["oi_distribution"].values["oi_weighted_dte_days"]),
    )
    values = {
        "hedge_charm_pressure": pressure,
        # 0 - x, so that no change gives +0.0.
        "charm_flow_usd_to_close": (0.0 - field.charm_to_close.under(name)) * known,
        "charm_flow_usd_next_session": (0.0 - field.charm_next_session.under(name)) * known,
        "expiry_unwind_usd": (field.expiring.under(name) + 0.0) * known,
        "charm_share_0dte": field.charm_size_0dte / np.where(field.charm_size > 0, field.charm_size, np.nan) * known,
        "hedge_charm_regime": regime,
    }
    reasons = united(passed_on(dealer), {"SHORT_HISTORY": np.isnan(regime) & ~np.isnan(pressure)})
    return ProcessorResult(values, np.where(np.isnan(cex), 0.0, dealer.confidence), reasons)
