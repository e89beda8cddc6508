"""A number of every liquidity feature that was worked out by hand, beside what the product says.

Most are those of the last of 320 sessions, t = 319, made by hand:

- closes alternate between 100 on even sessions and 101 on odd ones, up to 150 between 100 and 103;
- the range is the close -/+ 0.75, so that the true range is 1.75: 101.75 - 100 up, 101 - 99.25 down;
- of the last ten sessions, odd ones from 313 on close near their high, [99.35, 101.1], and even ones from 314 on near
  their low, [99.9, 101.65]: four and three, of the same true range and with CLV = +/- (1.65 - 0.1)/1.75 = +/- 31/35;
- volume is 1 million shares, in the last session 2.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from gnosis.engines.liquidity import liquidity
from gnosis.engines.liquidity.dark_pool_and_shorts import hidden_accumulation
from gnosis.engines.liquidity.flow_kernel import sweeps
from gnosis.engines.liquidity.inputs import LiquidityInputs
from gnosis.engines.liquidity.parameters import LiquidityParameters
from gnosis.engines.liquidity.state import regime_confidence
from gnosis.engines.liquidity.structure_and_regime import process, profile_structure
from gnosis.engines.liquidity.structure_kernel import open_gaps
from gnosis.engines.points import daily_points
from gnosis.engines.protocol import ProcessorResult
from gnosis.engines.regimes import labels
from gnosis.engines.trailing import History
from gnosis.engines.volume_profile import VolumeProfile
from gnosis.engines.wyckoff import Range, wyckoff_phase
from gnosis.tables import TABLES
from tests.gnosis.features.twins.hand_made import LAST, bars_of

N = 320
MILLION = 1e6
BUYING, SELLING = (313, 315, 317, 319), (314, 316, 318)
SIGMA_D = math.log(1.01) * math.sqrt(20 / 19)
"""Ten returns of ln 1.01 and ten of -ln 1.01."""


def bars(odd_volume: float = MILLION) -> pl.DataFrame:
    close = [100.0 if t % 2 == 0 else 103.0 if t <= 150 else 101.0 for t in range(N)]
    volume = [odd_volume if t % 2 else MILLION for t in range(N)]
    volume[-1] = 2 * MILLION if odd_volume == MILLION else odd_volume
    ranges = dict.fromkeys(BUYING, (99.35, 101.1)) | dict.fromkeys(SELLING, (99.9, 101.65))
    high, low = ({t: sides[k] for t, sides in ranges.items()} for k in (1, 0))
    return bars_of(close, reach=0.75, high=high, low=low, volume=volume)


def shorts(days: list[dt.date]) -> pl.DataFrame:
    """Short 40 % of 400 thousand shares on even sessions, 50 % on odd ones, 55 % on the last that is published."""
    share = [0.5 if t % 2 else 0.4 for t in range(N - 2)] + [0.55]
    table = TABLES["raw.short_volume"].polars_schema
    frame = pl.DataFrame({"session": days[:-1], "short_volume": [400e3 * x for x in share]}).with_columns(
        symbol=pl.lit("SPY"),
        short_exempt_volume=pl.lit(0.0),
        total_volume=pl.lit(400e3),
        known_at=pl.col("session").cast(pl.Datetime("us", "UTC")) + pl.duration(hours=22),
        provider=pl.lit("tape"),
        synthetic=pl.lit(value=False),
    )
    return frame.select(list(table)).cast(dict(table))


def own_rows(name: str, known_at: dt.datetime, *rows: dict[str, Any]) -> pl.DataFrame:
    """Return rows of the last session as a raw table."""
    same = {"session": LAST, "symbol": "SPY", "provider": "tape", "synthetic": False, "known_at": known_at}
    schema = TABLES[name].polars_schema
    return pl.DataFrame([same | row for row in rows]).select(list(schema)).cast(dict(schema))


def books(close: dt.datetime) -> pl.DataFrame:
    """Bids of 300 against asks of 100 a minute before the close, at the close 300 + 100 against 600."""
    before = close - dt.timedelta(minutes=1)
    levels = [
        (before, "B", 1, 100.99, 300.0),
        (before, "A", 1, 101.01, 100.0),
        (close, "B", 1, 100.99, 300.0),
        (close, "B", 2, 100.98, 100.0),
        (close, "A", 1, 101.01, 600.0),
    ]
    names = ("ts", "side", "level", "price", "size")
    return own_rows("raw.order_books", close, *(dict(zip(names, level, strict=True)) for level in levels))


def last_minute(close: dt.datetime) -> pl.DataFrame:
    """901 shares between 100.95 and 101: more than 3 x 300 at the bid, nothing at the ask."""
    bar = {"open": 101.0, "high": 101.0, "low": 100.95, "close": 101.0, "volume": 901.0}
    return own_rows("raw.intraday_bars", close, {"ts": close, "frequency": "1min"} | bar)


@cache
def daily_row() -> dict[str, Any]:
    """The last row from daily bars and off-exchange files."""
    own = bars()
    return liquidity(own, shorts=shorts(own["session"].to_list())).row(-1, named=True)


@cache
def row_with_books() -> dict[str, Any]:
    own = bars()
    close = own["known_at"][-1]
    return liquidity(own, books=books(close), intraday=last_minute(close), sessions=[LAST]).row(-1, named=True)


@cache
def squeeze_row() -> dict[str, Any]:
    """The last row with e^2 times the volume on odd sessions."""
    own = bars(odd_volume=MILLION * math.exp(2))
    return liquidity(own, shorts=shorts(own["session"].to_list()), sessions=[LAST]).row(-1, named=True)


def of_daily(name: str, expected: object) -> Callable[[], tuple[object, object]]:
    return lambda: (daily_row()[name], expected)


SCORE = 1 - (63 / 252 + 1 / 2 + 0 + 177.5 / 252) / 4
"""Ranks of friction, lambda, Amihud and 1/ADV$.

Friction was 1 to 252 and is 63.5 now, lambda never changed. Amihud is lowest in the session of double volume. 1/ADV$ is
as in the 149 sessions from 170 on; the 103 before had dearer shares among their 20, so their 1/ADV$ was less.
"""
DIRECTION = math.tanh(2 * (46.6 - 14.4) / 61)
"""Of the 61 million shares of 60 sessions those above 101 lie in the way up, the others in the way down.

Above are half of 26 bars up to 101.75, 0.1/1.75 of the five million that closed near their high, and 0.65/1.75 of the
three that closed near their low: 13 + 1.4 million. All lie within 1.75 of the close.
"""
COMPRESSION = 177 / 252
"""The bandwidth is that of the 150 sessions from 169 on, which count half; the 102 before had wider ones."""


@cache
def structure() -> dict[str, np.ndarray]:
    """What StructureAndRegime says of the last session, given the costs of it and of the 252 sessions before."""
    own = bars()
    points = daily_points(own, [LAST])
    stored = (
        own[-253:-1]
        .select("symbol", "session", as_of="known_at")
        .with_columns(liq_friction_cost=pl.int_range(1.0, 253.0), liq_kyle_lambda=pl.lit(5.0))
    )
    costs = {"slippage_field": {"liq_friction_cost": 63.5}, "impact_and_lambda": {"liq_kyle_lambda": 5.0}}
    earlier = {
        name: ProcessorResult({column: np.array([cost]) for column, cost in part.items()}, np.zeros(1))
        for name, part in costs.items()
    }
    inputs = LiquidityInputs.of(points, own)
    return dict(process(inputs, History(points, stored), LiquidityParameters(), earlier).values)


def drawn_profile(name: str) -> float:
    """Bins of a dollar from 97 to 103, median 4: two are heavy (9 and 7), two are light (1 and 1); close 101, ATR 1."""
    volumes = np.array([[9.0, 1.0, 4.0, 4.0, 1.0, 7.0]])
    profile = VolumeProfile(volumes, np.array([97.0]), np.array([103.0]))
    return profile_structure(profile, np.array([101.0]), np.array([1.0]))[name].item()


def gaps() -> float:
    """Prices jump from [99, 100] to [103, 104]; the range [102, 103.5] of a later session leaves [100, 102] open."""
    low, high = np.full((1, 80), 99.0), np.full((1, 80), 100.0)
    low[0, 70:], high[0, 70:] = 103.0, 104.0
    low[0, 75], high[0, 75] = 102.0, 103.5
    point = np.zeros(1, np.int64), np.array([79])
    return open_gaps(high, low, low + 0.5, *point, np.array([1.0]), 60, 0.10, 20).item()


def sweep() -> bool:
    """20 bars of 100 shares that moved +/- 0.001, then 250 shares that moved 0.01.

    sigma = 0.001 sqrt(20/19), so 2 Phi(sqrt(19/20)) - 1 = 0.670 of the volume is signed and MAD = 1.4826 x 67.0 = 99.4;
    298 is less than 3 MAD and 300 more: 299 shares bought with certainty are a sweep, 298 are none.
    """
    change = np.array([0.001, -0.001] * 10 + [0.01])
    slices = [np.array([k]) for k in (20, 21, 0, 20)]
    few, enough = (
        sweeps(np.array([100.0] * 20 + [shares]), change, *slices, np.array([10])).item() for shares in (298.0, 299.0)
    )
    return few == 0.0 and enough == 1.0


def quiet_shares() -> float:
    """Shares of 40 % and 50 % in turn: at 50 % z = 0.05/(0.05 sqrt(60/59)), in each of the three quiet sessions."""
    share = np.tile([0.4, 0.5], 43)[None]
    is_quiet = np.zeros(share.shape)
    is_quiet[0, [81, 83, 85]] = 1.0
    return hidden_accumulation(share, is_quiet).item()


def spring() -> str:
    """Closes within 98 and 102; a low of 96.9 four sessions ago is more than ATR/2 = 1 below the range."""
    close = np.where(np.arange(146) % 2, 100.5, 99.5)[None]
    low = close - 0.5
    low[0, -4] = 96.9
    edges = Range(np.array([98.0]), np.array([102.0]))
    point = np.array([0]), np.array([145])
    code = wyckoff_phase(
        close + 0.5, low, close, np.ones((1, 146)), *point,
        window=120, edges=edges, earlier_edges=edges, reach=np.array([2.0]),
    )  # fmt: skip
    return labels("liq_wyckoff_phase")[int(code.item())]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


NUMBERS: dict[str, Callable[[], tuple[object, object]]] = {
    "liq_score": lambda: (structure()["liq_score"].item(), SCORE),
    # Half of the quoted spread, 0.01 of 101, and a tenth of sigma_d.
    "liq_friction_cost": lambda: (row_with_books()["liq_friction_cost"], 1e4 * (0.01 / 101 + 0.1 * SIGMA_D)),
    # Linear law; ADV$ = (10 x $100m + 10 x $101m)/20.
    "liq_kyle_lambda": of_daily("liq_kyle_lambda", SIGMA_D * 1e10 / 100.5e6),
    # Nine returns of 1 % on $101m, one on $202m, ten of -1/101 on $100m.
    "liq_amihud": of_daily("liq_amihud", (9 * 0.01 / 101 + 0.01 / 202 + 10 * (1 / 101) / 100) / 20),
    "liq_n_absorption_zones": lambda: (drawn_profile("liq_n_absorption_zones"), 2),
    "liq_n_displacement_zones": lambda: (drawn_profile("liq_n_displacement_zones"), 2),
    "liq_n_voids": lambda: (gaps(), 1),
    # The bin of 9 lies below the close, that of 7 above.
    "liq_hvn_lvn_balance": lambda: (drawn_profile("liq_hvn_lvn_balance"), (9 - 7) / (9 + 7)),
    # (300 - 100)/400 and (400 - 600)/1000.
    "liq_orderbook_imbalance": lambda: (row_with_books()["liq_orderbook_imbalance"], (0.5 - 0.2) / 2),
    "liq_sweep_alert": lambda: (sweep(), True),
    "liq_iceberg_alert": lambda: (row_with_books()["liq_iceberg_alert"], True),
    "liq_compression_energy": of_daily("liq_compression_energy", COMPRESSION),
    # Bands of +/- 1.03 lie inside +/- 1.5 x 1.75: since the first session that can be judged, 120 sessions ago.
    "liq_expansion_energy": of_daily("liq_expansion_energy", 6 * COMPRESSION),
    # Twice the volume of any of the 60 sessions before.
    "liq_volume_strength": of_daily("liq_volume_strength", 1.0),
    # Four sessions, the last of them with double volume, and three sessions of eleven million shares.
    "liq_buying_effort": of_daily("liq_buying_effort", 5 / 11),
    "liq_selling_effort": of_daily("liq_selling_effort", 3 / 11),
    "liq_off_exchange_ratio": of_daily("liq_off_exchange_ratio", 0.4),
    "liq_hidden_accumulation": lambda: (quiet_shares(), sigmoid(math.sqrt(59 / 60))),
    "liq_wyckoff_phase": lambda: (spring(), "C"),
    # A third of the volume lies in 100.25 to 100.75. Of the 115 bars 58 are of even sessions, so the third below joins
    # first, and of the third above a tenth makes it 70 %: the area ends near 100.85, with 60 closes at 100 inside.
    "liq_wyckoff_energy": of_daily("liq_wyckoff_energy", 60 / 120 * COMPRESSION),
    "liq_regime": lambda: (labels("liq_regime")[int(structure()["liq_regime"].item())], "Normal"),
    # 0.05 from the cut at 0.6.
    "liq_regime_confidence": lambda: (regime_confidence(np.array([0.65]), np.array([0.5])).item(), 0.25),
    "liq_polr_direction": of_daily("liq_polr_direction", DIRECTION),
    "liq_polr_strength": lambda: (structure()["liq_polr_strength"].item(), DIRECTION * SCORE),
    # Seven processors on daily bars alone, and yesterday's file.
    "liq_confidence": of_daily("liq_confidence", (7 * 0.3 + 1) / 8),
    # Means of five shares were 0.44 and 0.46 in turn, that of 0.4, 0.5, 0.4, 0.5 and 0.55 is 0.47.
    "liq_dark_pool_pressure": of_daily("liq_dark_pool_pressure", math.tanh(2 * math.sqrt(251 / 252) / 2)),
    "liq_short_volume_ratio": of_daily("liq_short_volume_ratio", 0.55),
    # 0.55 against ten 0.4 and ten 0.5; ln 1.01 against as much up and down in turn; ln V against 0 and 2 in turn.
    "liq_short_squeeze_pressure": lambda: (
        squeeze_row()["liq_short_squeeze_pressure"],
        sigmoid(2 * math.sqrt(19 / 20) + math.sqrt(59 / 60) + math.sqrt(19 / 20)),
    ),
}
