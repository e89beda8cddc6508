"""The features beside Qlib's Alpha158, Polars expressions and TA-Lib: CPU and wall seconds, memory, agreement.

Run ``python benchmarks/features.py [SYMBOLS [SESSIONS]]``. Ratios matter; absolute figures move with the machine. Every
work has a process of its own, is made ready apart from the clock and called :data:`ROUNDS` times; medians count, and
compilation (or reading it from disk) is shown alone. Qlib comes in an environment of its own, which
``uv run --script benchmarks/feature_peers/alpha158.py`` makes; without it that line is left out. Its handler runs once,
with one worker.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from feature_peers import market
from feature_peers.polars_twin import polars_twin
from feature_peers.works import measure

from gnosis.features.daily import daily_features
from gnosis.features.registry import features_of
from gnosis.features.technical import technical

ROUNDS = 3
HERE = Path(__file__).parent
LABELS = {
    "daily": "all features of daily bars",
    "session": "one further session, equal to the batch",
    "all_141": "all 141 from stored engine rows, with the matrix",
    "lake": "inputs from and matrix to the lake",
    "technical": "technical",
    "regime": "regime",
    "macro": "macro",
    "polars": "Polars expressions, the technical ones",
    "talib": "TA-Lib, symbol by symbol",
}


def measured(name: str, symbols: int, sessions: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", name, str(symbols), str(sessions)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def alpha158(symbols: int, sessions: int) -> dict[str, Any] | None:
    """Return the figures of Qlib's handler on the same bars, None without uv or without the packages."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    with tempfile.TemporaryDirectory() as folder:
        paths = market.prices(symbols, sessions)
        typical = (paths["high"] + paths["low"] + paths["close"]) / 3.0
        days = market.days(sessions)["session"].cast(pl.String).to_numpy().astype(str)
        np.savez(Path(folder) / "panel.npz", **paths, vwap=typical, days=days)
        command = [uv, "run", "--script", str(HERE / "feature_peers" / "alpha158.py"), folder]
        try:
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"Qlib could not be had, its line is left out: {error}")
            return None
        return dict(json.loads(done.stdout.splitlines()[-1]))


def agreement(symbols: int, sessions: int, qlib: dict[str, Any] | None) -> None:
    """Print how far values are apart where definitions agree."""
    import talib

    paths = market.prices(symbols, sessions)
    bars = market.bars(symbols, sessions)
    ours = daily_features(bars, market.index_levels(sessions), [bars["session"].max()]).sort("symbol")
    apart: dict[str, float] = {}

    def compare(name: str, theirs: np.ndarray) -> None:
        apart[name] = float(np.max(np.abs(ours[name.split("@")[0]].to_numpy() / theirs - 1.0)))

    high, low, close, volume = (paths[name] for name in ("high", "low", "close", "volume"))
    bands = np.array([[side[-1] for side in talib.BBANDS(row, 20, 2.0, 2.0)] for row in close])
    # TA-Lib's standard deviation has n, the contract n - 1.
    width = (bands[:, 0] - bands[:, 2]) / bands[:, 1] * np.sqrt(20.0 / 19.0)
    compare("sent_bb_bandwidth@TA-Lib", width)
    compare("tech_roc_10@TA-Lib", np.array([talib.ROCP(row, 10)[-1] for row in close]))
    money = np.array([talib.MFI(*row, 14)[-1] for row in zip(high, low, close, volume, strict=True)])
    compare("sent_mfi@TA-Lib", money)
    if qlib is not None:
        last = {name: np.array(values) for name, values in qlib["last"].items()}
        for length in (5, 10, 20):
            compare(f"tech_roc_{length}@Qlib", 1.0 / last[f"ROC{length}"] - 1.0)
        compare("sent_bb_bandwidth@Qlib", 4.0 * last["STD20"] / last["MA20"])
    print("largest relative difference (Qlib stores float32):", {name: f"{value:.0e}" for name, value in apart.items()})

    late = pl.col("session") > market.days(2_000)["session"][0]
    own, running = technical(bars).filter(late), polars_twin(bars).filter(late)
    gaps = {f.name: (own[f.name] - running[f.name]).abs().max() for f in features_of("technical")}
    print("largest difference of running recursions:", {name: f"{value:.0e}" for name, value in gaps.items()})


def main(symbols: int = 500, sessions: int = 2_520) -> None:
    print(f"{symbols} symbols x {sessions} sessions")
    print(f"{'':<50}{'columns':>8}{'CPU s':>9}{'wall s':>9}{'peak MiB':>10}{'first call':>12}")
    found = {name: measured(name, symbols, sessions) for name in LABELS}
    for name, figures in found.items():
        print(
            f"{LABELS[name]:<50}{figures['columns']:>8}{figures['cpu']:>9.2f}{figures['wall']:>9.2f}"
            f"{figures['peak_mib']:>10.0f}{figures['first']:>12.1f}"
        )
    qlib = alpha158(symbols, sessions)
    if qlib is not None:
        label = f"Qlib {qlib['version']}, Alpha158, one worker"
        print(f"{label:<50}{qlib['columns']:>8}{qlib['cpu']:>9.2f}{qlib['wall']:>9.2f}{qlib['peak_mib']:>10.0f}")
        print(f"Qlib / all features of daily bars, CPU: {qlib['cpu'] / found['daily']['cpu']:.1f}")
    print(f"TA-Lib / all features of daily bars, CPU: {found['talib']['cpu'] / found['daily']['cpu']:.1f}")
    print(f"Polars / technical, CPU: {found['polars']['cpu'] / found['technical']['cpu']:.1f}")
    agreement(symbols, sessions, qlib)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), ROUNDS)
    else:
        main(*map(int, sys.argv[1:]))
