# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["pyqlib==0.9.7", "setuptools<81"]
# ///
"""Qlib's Alpha158 over a panel of daily bars, in an environment of its own; ``benchmarks/features.py`` starts it.

Reads ``panel.npz`` (open, high, low, close, volume, vwap of shape (symbols, sessions), and ``days``) in the folder that
is its argument, writes Qlib's binary layout beside it, and prints one line of JSON: CPU and wall seconds of the handler
with one worker, its version, and the mean of each column over the last session.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np

PRICES = ("open", "high", "low", "close", "volume", "vwap")


def write_binary_layout(folder: Path) -> tuple[list[str], int]:
    """Write calendar, instruments and one file per symbol and field, as Qlib's own dump does."""
    panel = np.load(folder / "panel.npz")
    days = panel["days"].astype(str).tolist()
    symbols = [f"S{number:04d}" for number in range(panel["close"].shape[0])]
    home = folder / "qlib"
    for part in ("calendars", "instruments"):
        (home / part).mkdir(parents=True, exist_ok=True)
    (home / "calendars" / "day.txt").write_text("\n".join(days) + "\n")
    lines = [f"{symbol}\t{days[0]}\t{days[-1]}" for symbol in symbols]
    (home / "instruments" / "all.txt").write_text("\n".join(lines) + "\n")
    fields = {name: panel[name] for name in PRICES} | {"factor": np.ones_like(panel["close"])}
    for row, symbol in enumerate(symbols):
        own = home / "features" / symbol.lower()
        own.mkdir(parents=True, exist_ok=True)
        for name, values in fields.items():
            np.concatenate([[0.0], values[row]]).astype("<f4").tofile(own / f"{name}.day.bin")
    return days, len(symbols)


def main(folder: Path) -> None:
    days, symbols = write_binary_layout(folder)
    import qlib
    from qlib.contrib.data.handler import Alpha158

    settings = {"region": "us", "kernels": 1, "logging_level": logging.ERROR, "skip_if_reg": True}
    qlib.init(provider_uri=str(folder / "qlib"), expression_cache=None, dataset_cache=None, **settings)
    before, start = os.times(), time.perf_counter()
    handler = Alpha158(
        instruments="all",
        start_time=days[0],
        end_time=days[-1],
        fit_start_time=days[0],
        fit_end_time=days[len(days) // 2],
        infer_processors=[],
        learn_processors=[],
    )
    wall, after = time.perf_counter() - start, os.times()
    found = handler.fetch(col_set="feature")
    last = found.xs(found.index.get_level_values("datetime").max(), level="datetime")
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    report = {
        "version": qlib.__version__,
        "columns": found.shape[1],
        "rows": found.shape[0],
        "symbols": symbols,
        "cpu": sum(after[:4]) - sum(before[:4]),
        "wall": wall,
        "peak_mib": peak / 1024,
        "last": {name: last[name].astype(float).tolist() for name in ("ROC5", "ROC10", "ROC20", "MA20", "STD20")},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main(Path(sys.argv[1]))
