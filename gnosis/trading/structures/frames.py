"""Ranked candidates and their legs as frames, in the units in which they are stored."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.trading.structures.chain import CONTRACT_KEY, EXPIRY_KEY, Floats, OptionChain
from gnosis.trading.structures.exits import exit_levels
from gnosis.trading.structures.forecast import PriceForecast
from gnosis.trading.structures.position_greeks import position_greeks
from gnosis.trading.structures.probability import forecast_profit, risk_neutral_profit
from gnosis.trading.structures.ranking import RankedCandidates


def candidate_frame(chain: OptionChain, ranked: RankedCandidates, forecast: PriceForecast) -> pl.DataFrame:
    """Return one row per candidate, best first.

    Amounts in $ are for one unit of the structure, that is for one multiplier of shares. A bound that does not exist is
    null beside ``is_profit_unlimited`` or ``is_loss_unlimited``; ``pop_rn`` is null with ``pop_rn_reason``
    ``uncertified_surface`` where the surface admits arbitrage. Columns:

    - ``rank`` (from 1), ``structure``, ``number``, ``risk``, ``permission``, ``is_model_dependent``,
      ``volatility_convention`` (null where no leg outlives the near expiry), ``is_central``
    - ``near_expiry``, ``near_settlement``, ``near_root``, ``near_dte_days``
    - ``net_premium_usd_per_share`` (debit positive), ``fees_usd``, ``spread_cost_usd``
    - ``max_profit_usd``, ``max_loss_usd``, ``breakevens_usd_per_share``, ``flat_zero_usd_per_share`` (both ends of each
      interval in turn, null for one without end)
    - ``pop_rn``, ``pop_forecast``
    - ``margin_usd``, ``risk_base_usd``, ``expected_return``, ``size_share``, ``log_growth``, ``cvar_95``
    - Greeks as in :class:`gnosis.trading.structures.position_greeks.PositionGreeks`
    - ``exit_rule``, ``target_usd``, ``stop_usd``, ``close_out_dte_days``

    Examples
    --------
    See :func:`gnosis.trading.structures.ranking.ranked_candidates`.
    """
    drawn, cost, found, marks = ranked.candidates, ranked.premium, ranked.payoffs, ranked.scores
    size = chain.multiplier
    expiry = chain.expiries[drawn.near].select(
        pl.col(*EXPIRY_KEY).name.prefix("near_"), near_dte_days=pl.col("dte_days")
    )
    rows = {
        "number": [item.number for item in drawn.structures],
        "structure": [item.id for item in drawn.structures],
        "risk": [item.risk.value for item in drawn.structures],
        "permission": [item.permission.value for item in drawn.structures],
    }
    schema = {"structure": pl.String(), "risk": pl.String(), "permission": pl.String()}
    described = pl.DataFrame(rows, schema_overrides={"number": pl.Int64(), **schema})[drawn.structure]
    later = drawn.is_model_dependent
    exits = exit_levels(drawn, cost.net_usd)
    sums = position_greeks(chain, drawn)
    is_unlimited = described["risk"] == "unlimited"
    figures = pl.DataFrame(
        {
            "is_model_dependent": later,
            "is_central": drawn.is_central,
            "net_premium_usd_per_share": cost.net_usd,
            "fees_usd": size * cost.fees_usd,
            "spread_cost_usd": size * (cost.net_usd - cost.mid_usd),
            "max_profit_usd": size * found.max_profit_usd,
            "max_loss_usd": size * found.max_loss_usd,
            "pop_rn": risk_neutral_profit(chain, drawn.near, found),
            "pop_forecast": forecast_profit(forecast, drawn.near, found),
            "margin_usd": ranked.margin_usd,
            "risk_base_usd": np.where(is_unlimited.to_numpy(), ranked.margin_usd, size * found.max_loss_usd),
            "expected_return": marks.expected_return,
            "size_share": marks.size_share,
            "log_growth": marks.log_growth,
            "cvar_95": marks.cvar_95,
            **{name: getattr(sums, name) for name in sums.__dataclass_fields__},
            "exit_rule": exits.rule,
            "target_usd": size * exits.target_usd,
            "stop_usd": size * exits.stop_usd,
            "close_out_dte_days": exits.close_out_dte_days,
        }
    ).with_columns(
        is_profit_unlimited=pl.col("max_profit_usd").is_infinite(),
        is_loss_unlimited=pl.col("max_loss_usd").is_infinite(),
        volatility_convention=pl.when("is_model_dependent").then(pl.lit(ranked.convention.value)),
        breakevens_usd_per_share=_listed(found.breakeven_usd),
        flat_zero_usd_per_share=_listed(found.flat_zero_usd.reshape(len(drawn), 2 * found.flat_zero_usd.shape[1])),
        pop_rn_reason=pl.when(pl.col("pop_rn").is_nan()).then(pl.lit("uncertified_surface")),
    )
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in ("max_profit_usd", "max_loss_usd")]
    return pl.concat(
        [described, expiry, figures.with_columns(*finite, pl.col("pop_rn").fill_nan(None))], how="horizontal"
    ).with_row_index("rank", offset=1)


def leg_frame(chain: OptionChain, ranked: RankedCandidates) -> pl.DataFrame:
    """Return one row per leg of every candidate: the quote that it cites and the price that it pays.

    Columns: ``rank``, ``leg`` (from 1, options first), ``right`` (S for shares), ``quantity``, the key of
    ``raw.option_quotes`` (null for shares except ``session`` and ``symbol``), ``bid``, ``ask``, ``price_usd``, ``iv``,
    ``delta``.

    Examples
    --------
    See :func:`gnosis.trading.structures.ranking.ranked_candidates`.
    """
    drawn = ranked.candidates
    row, leg = np.nonzero(drawn.is_leg)
    contract = drawn.contract[row, leg]
    options = chain.contracts[contract].with_columns(
        pl.col("right").cast(pl.String),
        rank=pl.Series(row + 1, dtype=pl.Int64),
        leg=pl.Series(leg + 1, dtype=pl.Int64),
        quantity=pl.Series(drawn.quantity[row, leg]).cast(pl.Int64),
        bid=pl.Series(chain.bid_usd[contract]),
        ask=pl.Series(chain.ask_usd[contract]),
        price_usd=pl.Series(ranked.premium.leg_price_usd[row, leg]),
        iv=pl.Series(chain.iv[contract]),
        delta=pl.Series(np.asarray(chain.greeks.delta)[contract]),
    )
    held = np.flatnonzero(drawn.shares)
    shares = pl.DataFrame(
        {
            "session": [chain.session] * held.size,
            "symbol": [chain.symbol] * held.size,
            "right": ["S"] * held.size,
            "rank": held + 1,
            "leg": drawn.is_leg[held].sum(axis=1) + 1,
            "quantity": drawn.shares[held].astype(np.int64),
            "price_usd": _share_price(ranked, held),
            "delta": np.ones(held.size),
        },
        schema_overrides={"session": pl.Date, "symbol": pl.String, "right": pl.String},
    )
    both = pl.concat([options, shares], how="diagonal")
    first = ["rank", "leg", "right", "quantity", *(name for name in CONTRACT_KEY if name != "right")]
    return both.select(*first, "bid", "ask", "price_usd", "iv", "delta").sort("rank", "leg")


def _share_price(ranked: RankedCandidates, rows: np.ndarray) -> Floats:
    """Return what is paid for a share: the net premium less that of the options."""
    drawn = ranked.candidates
    options = np.nansum(drawn.quantity[rows] * ranked.premium.leg_price_usd[rows], axis=1)
    return (ranked.premium.net_usd[rows] - options) / drawn.shares[rows]


def _listed(values: Floats) -> pl.Series:
    """Return the numbers of each row as a list, null where infinite."""
    flat = pl.DataFrame({"row": np.repeat(np.arange(len(values)), values.shape[1]), "value": values.ravel()})
    known = flat.filter(pl.col("value").is_not_nan()).with_columns(
        value=pl.when(pl.col("value").is_finite()).then("value")
    )
    kept = known.group_by("row", maintain_order=True).agg("value")
    rows = pl.DataFrame({"row": np.arange(len(values))})
    return rows.join(kept, on="row", how="left", maintain_order="left")["value"].fill_null([])
