"""One row of the elasticity engine as a frozen record."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields

import polars as pl

from gnosis.engines.regimes import (
    REGIMES,
    AmplificationRegime,
    CharmRegime,
    GammaRegime,
    JumpRiskRegime,
    PotentialShape,
    PrimaryRegime,
    VannaRegime,
)


@dataclass(frozen=True)
class ElasticityState:
    """State of one symbol in one session under one sign convention.

    Fields are columns of ``engines.elasticity`` under their names, None where unknown; regimes are members of their
    enumerations and reasons a tuple of codes.
    """

    symbol: str
    session: dt.date
    as_of: dt.datetime
    spot: float
    adv_usd: float | None
    depth_usd_per_unit: float | None
    dealer_gamma_usd_per_unit: float | None
    gex_p10: float | None
    gex_p50: float | None
    gex_p90: float | None
    stiffness_p10: float | None
    stiffness_usd_per_pct: float | None
    stiffness_p90: float | None
    hedge_elasticity: float | None
    amplification_p10: float | None
    amplification: float | None
    amplification_p90: float | None
    is_amplification_unbounded: bool | None
    fragility: float | None
    energy_up_usd: float | None
    energy_down_usd: float | None
    hedge_energy_asymmetry: float | None
    hedge_pressure_up: float | None
    hedge_pressure_down: float | None
    vanna_flow_usd_volpt_down: float | None
    charm_flow_usd_to_close: float | None
    charm_flow_usd_next_session: float | None
    flips: tuple[float, ...] | None
    nearest_flip: float | None
    flip_zone_low: float | None
    flip_zone_high: float | None
    call_wall: float | None
    put_wall: float | None
    hedge_gamma_regime: GammaRegime | None
    hedge_vanna_regime: VannaRegime | None
    hedge_charm_regime: CharmRegime | None
    hedge_jump_risk_regime: JumpRiskRegime | None
    hedge_potential_shape: PotentialShape | None
    amplification_regime: AmplificationRegime | None
    hedge_primary_regime: PrimaryRegime | None
    hedge_regime_stability: float | None
    is_sign_undetermined: bool | None
    easier_direction: str | None
    interpretation: str | None
    confidence: float
    reasons: tuple[str, ...]
    sign_convention: str
    revaluation: str
    lambda_source: str | None
    chain_ts: dt.datetime
    certificate: str | None
    parameters: str


def states(frame: pl.DataFrame) -> list[ElasticityState]:
    """Return rows of ``engines.elasticity`` as records, in their order.

    Examples
    --------
    >>> from gnosis.tables import TABLES
    >>> states(TABLES["engines.elasticity"].empty())
    []
    """
    names = [field.name for field in fields(ElasticityState)]
    found = []
    for row in frame.select(names).iter_rows(named=True):
        row["reasons"] = tuple(code for code in row["reasons"].split(",") if code)
        row["flips"] = None if row["flips"] is None else tuple(row["flips"])
        for name in REGIMES.keys() & row.keys():
            row[name] = None if row[name] is None else REGIMES[name](row[name])
        found.append(ElasticityState(**row))
    return found
