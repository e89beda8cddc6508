"""Elasticity engine: from chains, dealer levels and bars to eight processors, one interpretation and one row.

Exposures in dollars and their signs are practitioners' constructions, see
:mod:`gnosis.options.positioning.conventions`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.engines.elasticity import (
    charm_decay,
    dealer_positioning,
    elasticity_field,
    greek_field_mapper,
    movement_energy,
    oi_distribution,
    regime_and_flip,
    vanna_flow,
)
from gnosis.engines.elasticity.inputs import ElasticityInputs, elasticity_inputs
from gnosis.engines.elasticity.labels import absolute, united
from gnosis.engines.elasticity.parameters import ElasticityParameters
from gnosis.engines.points import Floats
from gnosis.engines.protocol import ProcessorResult, engine_confidence, engine_frame, joined_reasons, united_reasons
from gnosis.engines.regimes import AmplificationRegime
from gnosis.engines.trailing import History
from gnosis.options.origin import require_table
from gnosis.tables import TABLES

Process = Callable[
    [ElasticityInputs, History, ElasticityParameters, Mapping[str, ProcessorResult]],
    ProcessorResult,
]
PROCESSES: dict[str, Process] = {
    "oi_distribution": oi_distribution.process,
    "greek_field_mapper": greek_field_mapper.process,
    "dealer_positioning": dealer_positioning.process,
    "vanna_flow": vanna_flow.process,
    "charm_decay": charm_decay.process,
    "elasticity_field": elasticity_field.process,
    "movement_energy": movement_energy.process,
    "regime_and_flip": regime_and_flip.process,
}
"""The eight processors in the order in which they run."""

READ_BACK = [
    "atm_iv_30d",
    "gamma_pressure_u",
    "hedge_charm_pressure",
    "hedge_energy_asymmetry",
    "hedge_gamma_pressure",
    "hedge_primary_regime",
    "hedge_vanna_pressure",
    "oi_hhi",
    "skew_25d_10d_volpts",
    "skew_25d_volpts",
]
"""Columns of the table that are read from earlier sessions."""


def _words(column: str) -> list[str]:
    dtype = TABLES["engines.elasticity"].polars_schema[column]
    assert isinstance(dtype, pl.Enum)
    return dtype.categories.to_list()


INTERPRETATIONS, DIRECTIONS = _words("interpretation"), _words("easier_direction")


def elasticity(
    greeks: pl.DataFrame,
    levels: pl.DataFrame,
    bars: pl.DataFrame,
    *,
    quotes: pl.DataFrame | None = None,
    index_levels: pl.DataFrame | None = None,
    liquidity: pl.DataFrame | None = None,
    certificates: pl.DataFrame | None = None,
    listing: pl.DataFrame | None = None,
    stored: pl.DataFrame | None = None,
    conventions: Sequence[str] = ("naive", "customer_long"),
    revaluation: str = "sticky_moneyness",
    index_symbols: Collection[str] = (),
    parameters: ElasticityParameters | None = None,
) -> pl.DataFrame:
    """Return the elasticity of every chain under each sign convention.

    What cannot be known is null: without depth dealer gamma remains, without open interest or volatility that is null
    as well. D + G <= 0 gives no amplification and the regime ``storm``; stiffness and works stay.

    Parameters
    ----------
    greeks
        Rows of ``greeks.option_greeks`` in any order; its chains are the rows of the result.
    levels
        Rows of ``greeks.levels`` made from the same ``greeks``, with all ``conventions`` and the same revaluation.
    bars
        Rows of ``raw.equity_bars`` of the same symbols, from at least 60 sessions before the first chain. Later rows
        change nothing. A symbol without bars or volume (an index) has no depth.
    quotes
        Rows of ``raw.option_quotes`` of the chains. Without them ``hedge_confidence`` is 0, and with it the confidence
        of all that rests on the Greeks.
    index_levels
        Rows of ``raw.index_levels`` with ``^VIX``, from 273 sessions before the first chain.
    liquidity
        Rows of ``engines.liquidity`` of the same sessions, for depth. A chain without one has the depth of the linear
        law on daily bars.
    certificates
        Rows of ``greeks.surface_certificate``.
    listing
        Contracts that were expected, see :func:`gnosis.engines.elasticity.listing.expected_listing`; what arrived
        counts as expected too. None: nothing else was.
    stored
        Rows of ``engines.elasticity`` of earlier sessions, for what is read against its own past.
    conventions
        Out of ``naive``, ``customer_long`` and ``inverted``.
    revaluation
        ``sticky_moneyness`` or ``sticky_strike``.
    index_symbols
        Indices and index funds. The naive rule is a statement about them: naive rows of every other symbol carry
        ``SIGN_UNDETERMINED`` unless their band excludes zero, and theirs carry ``BOUND_VIOLATION`` when
        \\|G/D\\| > 0.25, mostly an error of units.
    parameters
        Settings; the defaults when None.

    Returns
    -------
    polars.DataFrame
        ``engines.elasticity``, sorted by its key. ``spot`` is that of the chain snapshot, taken before the close;
        ``as_of`` = ``known_at`` is when the chain, its levels and the session's bar were known. Other rows are read
        as known then.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype, a name is unknown, levels and Greeks do not belong together, or a
        stored row comes twice.
    UnknownSessionError
        When a session is not one of the exchange.

    Examples
    --------
    >>> names = ("greeks.option_greeks", "greeks.levels", "raw.equity_bars")
    >>> elasticity(*(TABLES[name].empty() for name in names)).height
    0
    """
    settings = parameters or ElasticityParameters()
    if greeks.is_empty():
        require_table(greeks, "greeks.option_greeks")
        return TABLES["engines.elasticity"].empty()
    inputs = elasticity_inputs(
        greeks,
        levels,
        bars,
        quotes=quotes,
        index_levels=index_levels,
        liquidity=liquidity,
        certificates=certificates,
        listing=listing,
        conventions=conventions,
        revaluation=revaluation,
        index_symbols=index_symbols,
        parameters=settings,
    )
    past = None if stored is None else _read_back(stored)
    runs = []
    for name in inputs.dealers:
        own_past = None if past is None else past.filter(pl.col("sign_convention") == name)
        history = History(inputs.points, own_past)
        own = inputs.under(name)
        runs.append(interpreted(own, history, processed(own, history, settings)))
    return rows(runs, settings)


@dataclass(frozen=True)
class Interpreted:
    """Results of the eight processors under one sign convention, and what they say together."""

    inputs: ElasticityInputs
    results: dict[str, ProcessorResult]
    easier_direction: Floats
    interpretation: Floats


def processed(
    inputs: ElasticityInputs, history: History, parameters: ElasticityParameters
) -> dict[str, ProcessorResult]:
    """Return the results of the eight processors under the sign convention of the inputs."""
    results: dict[str, ProcessorResult] = {}
    for name, process in PROCESSES.items():
        results[name] = process(inputs, history, parameters, results)
    return results


def interpreted(inputs: ElasticityInputs, history: History, results: dict[str, ProcessorResult]) -> Interpreted:
    """Return the interpretation of the results under the sign convention of the inputs."""
    asymmetry = np.asarray(results["movement_energy"].values["hedge_energy_asymmetry"])
    usual = absolute(history.series("hedge_energy_asymmetry", asymmetry)).quantile(0.8)
    regime = np.asarray(results["elasticity_field"].values["amplification_regime"])
    return Interpreted(
        inputs,
        results,
        easier_direction(asymmetry, usual),
        interpretation(regime, inputs.dealer.is_undetermined),
    )


def rows(runs: Sequence[Interpreted], parameters: ElasticityParameters) -> pl.DataFrame:
    """Return the rows of the table: values of the processors, what they say together, and their origin."""
    # All conventions in one frame: making a frame costs more than filling it.
    results = stacked([run.results for run in runs])
    inputs, times = runs[0].inputs, len(runs)
    n = inputs.n * times
    synthetic = np.tile(inputs.is_synthetic, times)
    keys = pl.concat([inputs.points.frame.select("session", "symbol", "as_of", known_at="as_of")] * times)
    return engine_frame(
        keys,
        results,
        "engines.elasticity",
        sign_convention=pl.concat([_repeated(run.inputs.convention, inputs.n) for run in runs]),
        provider=pl.concat([inputs.provider] * times),
        synthetic=synthetic,
        chain_ts=pl.Series(np.tile(inputs.chains.ts, times)).cast(pl.Datetime("us", "UTC")),
        spot=np.tile(inputs.chains.spot, times),
        adv_usd=np.tile(inputs.daily.adv_usd, times),
        sigma_d=np.tile(inputs.daily.sigma_d, times),
        revaluation=_repeated(inputs.revaluation, n),
        certificate=np.tile(inputs.has_failed_certificate, times),
        easier_direction=np.concatenate([run.easier_direction for run in runs]),
        interpretation=np.concatenate([run.interpretation for run in runs]),
        parameters=_repeated(parameters.json(), n),
        confidence=engine_confidence(results),
        reasons=joined_reasons(united(united_reasons(results), {"SYNTHETIC_INPUT": synthetic}), n),
    )


def stacked(runs: Sequence[Mapping[str, ProcessorResult]]) -> dict[str, ProcessorResult]:
    """Return the results of several runs one after the other, by processor."""
    found = {}
    for name, first in runs[0].items():
        parts = [run[name] for run in runs]
        values: dict[str, Floats | pl.Series] = {}
        for column, value in first.values.items():
            columns = [part.values[column] for part in parts]
            values[column] = (
                pl.concat([pl.Series(each) for each in columns])
                if isinstance(value, pl.Series)
                else np.concatenate([np.asarray(each) for each in columns])
            )
        proxies = [np.zeros(part.confidence.size, bool) if part.is_proxy is None else part.is_proxy for part in parts]
        found[name] = ProcessorResult(
            values,
            np.concatenate([part.confidence for part in parts]),
            {code: np.concatenate([part.reasons[code] for part in parts]) for code in first.reasons},
            np.concatenate(proxies),
        )
    return found


def easier_direction(asymmetry: Floats, usual: Floats) -> Floats:
    """Return the direction of less work as a position in up, none, down.

    Parameters
    ----------
    asymmetry
        Energy asymmetry, positive = less work upward.
    usual
        80th percentile of its absolute value over the past; NaN where unknown.

    Examples
    --------
    >>> found = easier_direction(np.array([0.3, -0.3, 0.1, 0.3]), np.array([0.2, 0.2, 0.2, np.nan]))
    >>> [None if np.isnan(code) else DIRECTIONS[int(code)] for code in found]
    ['up', 'down', 'none', None]
    """
    code = 1.0 - np.sign(asymmetry) * (np.abs(asymmetry) > usual)
    return np.where(np.isnan(asymmetry) | np.isnan(usual), np.nan, code)


def interpretation(amplification_regime: Floats, is_undetermined: Floats) -> Floats:
    """Return what to say of a move: storm first, nothing else while the dealer side is undetermined, else the regime.

    Parameters
    ----------
    amplification_regime
        Its code, NaN where unknown.
    is_undetermined
        1 where the sign of dealer gamma is undetermined.

    Examples
    --------
    >>> found = interpretation(np.array([0.0, 0.0, 3.0, np.nan]), np.array([0.0, 1.0, 1.0, 1.0]))
    >>> [None if np.isnan(code) else INTERPRETATIONS[int(code)] for code in found]
    ['damping', 'undetermined', 'storm', None]
    """
    own = np.asarray([INTERPRETATIONS.index(label.value) for label in AmplificationRegime], dtype=np.float64)
    known = ~np.isnan(amplification_regime)
    regime = np.where(known, amplification_regime, 0.0).astype(np.int64)
    found = own[regime]
    is_storm = regime == list(AmplificationRegime).index(AmplificationRegime.STORM)
    found = np.where((is_undetermined == 1.0) & ~is_storm, float(INTERPRETATIONS.index("undetermined")), found)
    return np.where(known, found, np.nan)


def _read_back(stored: pl.DataFrame) -> pl.DataFrame:
    wanted = ["symbol", "session", "as_of", "sign_convention", *READ_BACK]
    if missing := [name for name in wanted if name not in stored.columns]:
        raise ValueError(f"stored: expected rows of engines.elasticity, missing columns are {missing}")
    return stored.select(wanted)


def _repeated(text: str, n: int) -> pl.Series:
    return pl.Series([text], dtype=pl.String).new_from_index(0, n)
