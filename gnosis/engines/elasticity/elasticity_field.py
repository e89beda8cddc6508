"""ElasticityField: how many dollars move the symbol, and whether hedging damps or feeds the move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from gnosis.engines import physics
from gnosis.engines.elasticity.greek_field import PATH
from gnosis.engines.elasticity.inputs import ElasticityInputs
from gnosis.engines.elasticity.labels import first_label, passed_on, united
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.elasticity.sources import LINEAR_LAW, REGRESSION, Depth
from gnosis.engines.points import Floats
from gnosis.engines.protocol import Bools, ProcessorResult
from gnosis.engines.regimes import AMPLIFYING_UP_TO, DAMPING_BELOW, NEUTRAL_UP_TO, AmplificationRegime
from gnosis.engines.trailing import History
from gnosis.reasons import REASONS, SURE


def amplification_regime(stiffness: ArrayLike, amplification: ArrayLike) -> Floats:
    """Return the code of the regime: by amplification, and ``storm`` whatever it is where stiffness is not positive.

    Examples
    --------
    >>> found = amplification_regime([1.0, 1.0, 1.0, -1.0], [0.97, 1.0, 1.2, np.nan])
    >>> [list(AmplificationRegime)[int(code)].value for code in found]
    ['damping', 'neutral', 'amplifying', 'storm']
    """
    e, a = (np.asarray(part, dtype=np.float64) for part in (stiffness, amplification))
    kind = AmplificationRegime
    conditions = {
        kind.STORM: e <= 0,
        kind.DAMPING: a < DAMPING_BELOW,
        kind.NEUTRAL: a <= NEUTRAL_UP_TO,
        kind.AMPLIFYING: a <= AMPLIFYING_UP_TO,
    }
    return first_label(kind, conditions, ~np.isnan(e))


def path_slopes(inputs: ElasticityInputs, nodes: slice) -> Floats:
    """Return k(p) = 1/lambda + Gamma_D(p) in shares per $ on some of the nodes, shape (points, nodes).

    NaN where depth or dealer gamma is unknown.
    """
    gamma = inputs.field.profile.under(inputs.convention)[:, nodes]
    flow = inputs.depth.usd_per_unit / inputs.chains.spot**2
    known = np.where(np.isnan(inputs.dealer.values["gex_usd_per_pct"]), np.nan, 1.0)
    return (flow * known)[:, None] + gamma


def process(
    inputs: ElasticityInputs,
    history: History,
    parameters: ElasticityParameters,
    earlier: Mapping[str, ProcessorResult],
) -> ProcessorResult:
    """Return stiffness and amplification; confidence is the smaller of those of dealer positioning and of depth."""
    dealer = earlier["dealer_positioning"]
    depth, spot = inputs.depth.usd_per_unit, inputs.chains.spot
    adv = np.where(inputs.daily.adv_usd > 0, inputs.daily.adv_usd, np.nan)
    gamma, low, middle, high = (
        100.0 * np.asarray(dealer.values[name]) for name in ("gex_usd_per_pct", "gex_p10", "gex_p50", "gex_p90")
    )
    path = physics.path_elasticity(spot, path_slopes(inputs, PATH), adv)
    stiffness = (depth + gamma) / 100.0
    amplification = physics.amplification(depth, gamma)
    fragility = physics.fragility(depth, gamma)
    values = {
        "depth_usd_per_unit": depth,
        "lambda_usd_per_share": spot**2 / depth,
        "lambda_source": inputs.depth.source,
        "stiffness_usd_per_pct": stiffness,
        "stiffness_p10": (depth + low) / 100.0,
        "stiffness_p90": (depth + high) / 100.0,
        "hedge_elasticity": stiffness / adv,
        "hedge_elasticity_up": path.up,
        "hedge_elasticity_down": path.down,
        "amplification": amplification,
        # Amplification falls as dealer gamma rises.
        "amplification_p10": physics.amplification(depth, high),
        "amplification_p50": physics.amplification(depth, middle),
        "amplification_p90": physics.amplification(depth, low),
        "is_amplification_unbounded": np.where(np.isnan(depth + low), np.nan, depth + low <= 0),
        "fragility": fragility,
        "amplification_regime": amplification_regime(stiffness, amplification),
    }
    own = {
        "SOURCE_MISSING": np.isnan(depth) | np.isnan(adv),
        "SHORT_HISTORY": inputs.daily.is_short,
        "BOUND_VIOLATION": inputs.is_index & (np.abs(fragility) > physics.UNIT_ERROR_FRAGILITY),
    }
    reasons = united(passed_on(dealer), _of_depth(inputs.depth), own)
    is_proxy = inputs.depth.source == LINEAR_LAW
    confidence = np.minimum(dealer.confidence, inputs.depth.confidence)
    return ProcessorResult(values, np.where(np.isnan(stiffness), 0.0, confidence), reasons, is_proxy)


def _of_depth(depth: Depth) -> dict[str, Bools]:
    """Return the reasons of the depth: those that its engine gave, and the proxy."""
    found: dict[str, Bools] = {}
    texts = depth.reasons.unique().drop_nulls().sort().to_list()
    for code in REASONS:
        having = [text for text in texts if code in text.split(",")]
        if having:
            found[code] = depth.reasons.is_in(having).fill_null(False).to_numpy()
    is_bare = (depth.confidence < SURE) & (depth.reasons.fill_null("") == "").to_numpy()
    own = {"DEPTH_PROXY": depth.source == LINEAR_LAW, "LOW_COVERAGE": is_bare & (depth.source == REGRESSION)}
    return united(found, own)
