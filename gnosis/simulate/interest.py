"""Open interest of a contract as a function of its place, its age and its session: no path has to be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.simulate.draws import date_keys, keyed_normal, text_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

CALL_PUT_RATIO = 1.2
SETTLING_SESSIONS = 8.0


def open_interest_paths(lines: pl.DataFrame, seed: int, contracts_per_share: float) -> pl.DataFrame:
    """Add the open interest of calls and puts, at the close of each session and as known in it.

    A contract's level is lognormal and peaks out of the money near the prices visited since listing; it ramps up over
    the expiry's life and the contract's first sessions, falls a little in the last tenth, and wobbles by
    3% a day. Calls outnumber puts by 1.2 to 1 on average, by more or less as the symbol's slow tilt wanders.
    What is known in a session is the level at the close of the session before (``oi_session``), null on the first.

    Parameters
    ----------
    lines
        Output of ``with_strikes`` with ``symbol``, ``expiry``, ``adv_shares``, ``life_elapsed`` (0 to 1)
        and ``call_tilt``.
    seed
        Integer >= 0.
    contracts_per_share
        Contracts of the whole chain per share of average daily volume.

    Returns
    -------
    polars.DataFrame
        ``lines`` with ``call_interest``, ``put_interest``, ``call_interest_close``, ``put_interest_close`` (contracts)
        and ``oi_session``, sorted by (life, strike, session).
    """
    lines = lines.with_columns(
        adv_listed=pl.col("adv_shares").first().over("life"),
    ).sort("life", "strike", "session")
    column = {
        name: lines[name].to_numpy()
        for name in (
            "strike",
            "low_usd",
            "high_usd",
            "listing_sd",
            "spacing_usd",
            "adv_listed",
            "life_elapsed",
            "call_tilt",
        )
    }
    strike, elapsed = column["strike"], np.clip(column["life_elapsed"], 0, 1)
    # Far strikes carry less, in standard deviations beyond the visited range; in-the-money ones less still.
    above = np.maximum(np.log(strike / column["high_usd"]), 0) / column["listing_sd"]
    below = np.maximum(np.log(column["low_usd"] / strike), 0) / column["listing_sd"]
    ramp = (0.15 + 0.85 * elapsed**0.8) * (1 - 0.3 * np.clip((elapsed - 0.9) / 0.1, 0, 1))
    settling = 1 - np.exp(-(lines["age_sessions"].to_numpy() + 1) / SETTLING_SESSIONS)
    is_round = np.isclose(np.mod(strike, 5 * column["spacing_usd"]), 0)
    in_range = np.maximum(np.log(column["high_usd"] / column["low_usd"]) / column["listing_sd"], 0)
    density = column["spacing_usd"] / (strike * column["listing_sd"]) / (1.2 + in_range)
    level = 0.3 * contracts_per_share * column["adv_listed"] * density * ramp * settling * np.where(is_round, 1.5, 1.0)
    contract = (text_keys(lines["symbol"]), date_keys(lines["expiry"]), np.round(strike * 1000))
    session = date_keys(lines["session"])

    def side(
        name: str, out: NDArray[np.float64], inside: NDArray[np.float64], share: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        shape = np.exp(-0.5 * (out / 0.8) ** 2 - 0.5 * (inside / 0.4) ** 2)
        taste = np.exp(0.5 * keyed_normal(seed, f"interest.{name}", *contract))
        wobble = np.exp(0.03 * keyed_normal(seed, f"interest.{name}.session", *contract, session))
        return np.round(level * share * shape * taste * wobble)

    put_share = 1 / (1 + CALL_PUT_RATIO * np.exp(0.4 * column["call_tilt"]))
    closes = lines.with_columns(
        call_interest_close=side("call", above, below, 1 - put_share),
        put_interest_close=side("put", below, above, put_share),
    )
    return closes.with_columns(
        call_interest=pl.col("call_interest_close").shift().over("life", "strike"),
        put_interest=pl.col("put_interest_close").shift().over("life", "strike"),
        oi_session=pl.col("session").shift().over("life", "strike"),
    ).drop("adv_listed")
