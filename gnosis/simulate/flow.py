"""Order flow with planted impact: depth and dealer gamma (K1), a linear market (K2), a spread (K3), a placebo (K8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.simulate.draws import stream

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from numpy.typing import NDArray

BARS_PER_SESSION = 78
TRADES_PER_SESSION = 390


@dataclass(frozen=True)
class FlowTruth:
    """Planted depth D and dealer gamma G in dollars per unit (100%) move, and the noise of bar returns."""

    depth_usd_per_unit: float
    dealer_gamma_usd_per_unit: float
    return_noise: float

    @property
    def stiffness_usd_per_unit(self) -> float:
        """E = D + G."""
        return self.depth_usd_per_unit + self.dealer_gamma_usd_per_unit


@dataclass(frozen=True)
class SpreadTruth:
    """Planted daily volatility and full spread as shares of the price."""

    daily_volatility: float
    spread_share: float


def hedged_flow(
    sessions: Sequence[dt.date],
    seed: int,
    depth_usd_per_unit: float = 50e9,
    dealer_gamma_usd_per_unit: float = 0.0,
    flow_sd_usd: float = 100e6,
    return_noise: float = 2e-4,
    symbol: str = "K1",
) -> tuple[pl.DataFrame, FlowTruth]:
    """Return 5-minute flow and returns of a market with dealers who hedge (market K1).

    r = F / (D + G) + noise; dealers trade -G r, so the observed flow is F - G r. Its regression slope gives 1/D, the
    slope on customer flow alone 1/(D + G).

    Parameters
    ----------
    sessions
        n sessions of 78 bars each (full days are assumed). Each has its own stream; only the price level, 100 before
        the first, depends on which sessions are asked for.
    seed
        Integer >= 0.
    depth_usd_per_unit, dealer_gamma_usd_per_unit
        D > 0 and G with D + G > 0.
    flow_sd_usd, return_noise
        Standard deviation per bar of customer flow and of the return noise.
    symbol
        Name in the rows and in the stream.

    Returns
    -------
    frame : polars.DataFrame
        ``session``, ``symbol``, ``ts`` (bar end), ``customer_flow_usd``, ``hedge_flow_usd``, ``signed_flow_usd``,
        ``log_return``, ``close`` ($), ``provider``, ``synthetic``; sorted.
    truth : FlowTruth

    Raises
    ------
    ValueError
        When D <= 0 or D + G <= 0: such a book has no equilibrium.

    Examples
    --------
    >>> import datetime as dt
    >>> frame, truth = hedged_flow([dt.date(2012, 1, 3)], seed=1, dealer_gamma_usd_per_unit=-20e9)
    >>> frame.height, truth.stiffness_usd_per_unit / 1e9
    (78, 30.0)
    """
    truth = FlowTruth(depth_usd_per_unit, dealer_gamma_usd_per_unit, return_noise)
    if not (depth_usd_per_unit > 0 and truth.stiffness_usd_per_unit > 0):
        raise ValueError(f"expected D > 0 and D + G > 0 in dollars per unit move, found {truth}; raise D or G")
    frame = _bar_ends(sessions, BARS_PER_SESSION, 5, symbol)
    draws = _by_session(sessions, seed, "flow.hedged", symbol, (BARS_PER_SESSION, 2))
    flow = flow_sd_usd * draws[:, 0]
    log_return = flow / truth.stiffness_usd_per_unit + return_noise * draws[:, 1]
    hedge = -dealer_gamma_usd_per_unit * log_return
    return frame.with_columns(
        customer_flow_usd=flow,
        hedge_flow_usd=hedge,
        signed_flow_usd=flow + hedge,
        log_return=log_return,
        close=100 * np.exp(np.cumsum(log_return)),
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    ), truth


def linear_impact(
    sessions: Sequence[dt.date], seed: int, kyle_lambda_bps_per_musd: float = 1.0, return_noise: float = 5e-4
) -> tuple[pl.DataFrame, FlowTruth]:
    """Return 5-minute bars of a market of constant linear impact with exact signs and no dealers (market K2).

    Parameters
    ----------
    sessions, seed
        As in :func:`hedged_flow`.
    kyle_lambda_bps_per_musd
        Planted slope L, bps per $1m; D = 1e10 / L dollars per unit move.
    return_noise
        Standard deviation per bar.

    Returns
    -------
    tuple
        As :func:`hedged_flow`.

    Examples
    --------
    >>> import datetime as dt
    >>> linear_impact([dt.date(2012, 1, 3)], seed=1)[1].depth_usd_per_unit
    10000000000.0
    """
    if not kyle_lambda_bps_per_musd > 0:
        raise ValueError(f"expected kyle_lambda_bps_per_musd > 0, found {kyle_lambda_bps_per_musd}")
    return hedged_flow(sessions, seed, 1e10 / kyle_lambda_bps_per_musd, 0.0, 5e6, return_noise, "K2")


def bounced_trades(
    sessions: Sequence[dt.date], seed: int, daily_volatility: float = 0.02, spread_share: float = 0.01
) -> tuple[pl.DataFrame, SpreadTruth]:
    """Return 390 trades a session at an efficient price plus or minus half a spread (market K3; Roll 1984).

    Parameters
    ----------
    sessions, seed
        As in :func:`hedged_flow`; the efficient price does not move overnight.
    daily_volatility, spread_share
        Standard deviation of the efficient daily log return, and full spread as a share of the price.

    Returns
    -------
    frame : polars.DataFrame
        ``session``, ``symbol``, ``ts``, ``efficient`` and ``price`` ($), ``side`` (+1 at the ask, -1 at the bid),
        ``provider``, ``synthetic``. Daily bars are first, highest, lowest and last ``price`` of a session.
    truth : SpreadTruth

    Examples
    --------
    >>> import datetime as dt
    >>> trades, truth = bounced_trades([dt.date(2012, 1, 3)], seed=1)
    >>> trades.height, round(float((trades["price"] / trades["efficient"] - 1).abs().mean()), 4)
    (390, 0.005)
    """
    frame = _bar_ends(sessions, TRADES_PER_SESSION, 1, "K3")
    draws = _by_session(sessions, seed, "flow.bounce", "K3", (TRADES_PER_SESSION, 2))
    efficient = 100 * np.exp(np.cumsum(daily_volatility / np.sqrt(TRADES_PER_SESSION) * draws[:, 0]))
    side = np.where(draws[:, 1] > 0, 1, -1)
    return frame.with_columns(
        efficient=efficient,
        price=efficient * (1 + side * spread_share / 2),
        side=pl.Series(side, dtype=pl.Int8),
        provider=pl.lit("simulate"),
        synthetic=pl.lit(True),
    ), SpreadTruth(daily_volatility, spread_share)


def amplified_returns(sessions: Sequence[dt.date], seed: int, effect: float = 0.0) -> tuple[pl.DataFrame, float]:
    """Return predicted and realised amplification of daily moves (market K8 at ``effect`` 0, the placebo).

    ln A wanders with standard deviation 0.15; the day's return has volatility sigma_d A^effect. The regression of
    ``realised_amplification`` on ``predicted_amplification`` has slope 0 under the placebo and about 1 at ``effect`` 1.

    Returns
    -------
    frame : polars.DataFrame
        ``session``, ``predicted_amplification`` (A, known before the session), ``expected_move`` (sigma_d
        sqrt(2/pi)), ``log_return``, ``realised_amplification`` (|return| / expected move), ``provider``, ``synthetic``.
    effect : float

    Examples
    --------
    >>> import datetime as dt
    >>> amplified_returns([dt.date(2012, 1, 3)], seed=1)[0]["realised_amplification"].round(4).item()
    1.3577
    """
    from gnosis.simulate.volatility import persistent_factor

    days = sorted(sessions)
    ordinals = schedule()["session"].search_sorted(pl.Series(days, dtype=pl.Date)).to_numpy()
    draws = stream(seed, "flow.amplified").standard_normal((int(ordinals.max()) + 1, 3))
    predicted = np.exp(0.15 * persistent_factor(draws[:, 0], 0.9))[ordinals]
    sigma = 0.01 * np.exp(0.3 * persistent_factor(draws[:, 1], 0.97))[ordinals]
    log_return = sigma * predicted**effect * draws[ordinals, 2]
    expected = sigma * np.sqrt(2 / np.pi)
    return pl.DataFrame(
        {
            "session": days,
            "predicted_amplification": predicted,
            "expected_move": expected,
            "log_return": log_return,
            "realised_amplification": np.abs(log_return) / expected,
        }
    ).with_columns(provider=pl.lit("simulate"), synthetic=pl.lit(True)), effect


def _by_session(
    sessions: Sequence[dt.date], seed: int, component: str, symbol: str, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return draws of each session from its own stream, stacked, shape (n x shape[0], shape[1])."""
    draws = [stream(seed, component, symbol, day).standard_normal(shape) for day in sorted(sessions)]
    return np.concatenate(draws)


def _bar_ends(sessions: Sequence[dt.date], count: int, minutes: int, symbol: str) -> pl.DataFrame:
    days = pl.Series("session", sorted(sessions), dtype=pl.Date)
    opens = schedule().select("session", "open_at")
    frame = days.to_frame().join(opens, on="session", how="left", maintain_order="left")
    if frame["open_at"].null_count() or frame.is_empty():
        raise ValueError("expected at least one session and only sessions of the exchange; see gnosis.sessions")
    steps = pl.DataFrame({"step": np.arange(1, count + 1)})
    return frame.join(steps, how="cross", maintain_order="left_right").select(
        "session",
        pl.lit(symbol).alias("symbol"),
        ts=pl.col("open_at") + pl.duration(minutes=pl.col("step") * minutes),
    )
