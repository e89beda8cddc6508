"""The hash chain of the trial ledger: which row may come next, and whether the rows are those that were written."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import polars as pl

from gnosis.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gnosis.backtest.trials import Figures, Status, Trial

FIRST_PREVIOUS = "0" * 64
_NUMBERS = {"n": int, "sharpe_per_period": float, "skewness": float, "kurtosis": float, "loss": float}


class TrialError(ValueError):
    """A trial that cannot be written down: not begun, or with impossible figures."""


class ChainError(TrialError):
    """A ledger that is not what was written.

    Attributes
    ----------
    position
        Number of the row, from 1, at which the chain breaks.
    """

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


def _canonical(content: Mapping[str, Any]) -> str:
    plain = {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in content.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def described(trial: Trial) -> dict[str, Any]:
    """Return what a trial is, by name."""
    return {item.name: getattr(trial, item.name) for item in fields(trial)}


def sha256_of(content: Mapping[str, Any]) -> str:
    """Return the hash of the content as canonical JSON, dates in ISO form."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


class Chain:
    """Rows of the ledger in order, each hashed with the row before, and the latest state of every trial."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.latest: dict[str, str] = {}

    @property
    def head(self) -> str:
        """``row_sha256`` of the newest row."""
        return self.rows[-1]["row_sha256"] if self.rows else FIRST_PREVIOUS

    def begin(self, trial: Trial) -> dict[str, Any] | None:
        """Append and return the row that begins a trial; None when the ledger has it already."""
        return None if trial.trial_id in self.latest else self._append(trial, "begun", {})

    def finish(
        self, trial: Trial, status: Status, figures: Figures, returns_sha256: str | None
    ) -> dict[str, Any] | None:
        """Append and return the row that ends a trial.

        None when it is complete already, or ended before as it ends now.
        """
        if trial.trial_id not in self.latest:
            raise TrialError(
                f"expected trial {trial.trial_id[:12]} of family {trial.family!r} to be begun before it ends, found no "
                "row of it; call begin() before anything is computed"
            )
        unknown = set(figures) - _NUMBERS.keys()
        if unknown:
            raise TrialError(f"expected figures among {list(_NUMBERS)}, found {sorted(unknown)}")
        plain = {name: None if value is None else _NUMBERS[name](value) for name, value in figures.items()}
        wrong = {name: value for name, value in plain.items() if value is not None and not math.isfinite(value)}
        if wrong:
            raise TrialError(f"expected finite figures or None, found {wrong} for trial {trial.trial_id[:12]}")
        if self.latest[trial.trial_id] in ("complete", status):
            return None
        return self._append(trial, status, plain | {"returns_sha256": returns_sha256})

    def accept(self, row: dict[str, Any]) -> None:
        """Append a row that was read, if it continues the chain.

        Raises
        ------
        ChainError
            A row that was changed, moved, or whose predecessor is missing.
        """
        position = len(self.rows) + 1
        content = {name: value for name, value in row.items() if name != "row_sha256"}
        if row.get("sequence") != position or row.get("previous_sha256") != self.head:
            raise ChainError(
                position,
                f"expected row {position} after {self.head[:12]}, found row {row.get('sequence')} after "
                f"{str(row.get('previous_sha256'))[:12]}: rows were removed or moved",
            )
        if row.get("row_sha256") != sha256_of(content):
            raise ChainError(position, f"expected row {position} with its own hash, found another: it was changed")
        self._keep(row)

    def _append(self, trial: Trial, status: str, figures: Mapping[str, Any]) -> dict[str, Any]:
        row = {
            "sequence": len(self.rows) + 1,
            "trial_id": trial.trial_id,
            **described(trial),
            "period_first": trial.period_first.isoformat(),
            "period_last": trial.period_last.isoformat(),
            "status": status,
            **{name: figures.get(name) for name in (*_NUMBERS, "returns_sha256")},
            "previous_sha256": self.head,
        }
        row["row_sha256"] = sha256_of(row)
        self._keep(row)
        return row

    def _keep(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        self.latest[row["trial_id"]] = row["status"]

    def frame(self) -> pl.DataFrame:
        """Return the rows as ``backtests.trials``."""
        table = TABLES["backtests.trials"]
        plain = table.polars_schema | {"period_first": pl.String, "period_last": pl.String}
        rows = pl.DataFrame(self.rows, schema=plain)
        return rows.with_columns(pl.col("period_first", "period_last").str.to_date())
