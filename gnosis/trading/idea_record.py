"""The record of ideas as odds are made: what was stated, what has resolved, the map of odds, and who is suspended."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from gnosis.trading.calibration_resolution import resolution_rows
from gnosis.trading.calibration_scores import SUSPENSION_IDEAS, skill_interval
from gnosis.trading.shrinkage import ShrinkageMap, shrinkage_map
from gnosis.trading.walk_forward import learning_moments


@dataclass(slots=True, eq=False)
class IdeaRecord:
    """What was stated so far and what became of it, arrays by idea; those of ideas to come are filled as they are made.

    The event of an idea is defined before its odds are, so that all can be resolved at once.
    """

    resolved: dict[str, np.ndarray]
    stated: dict[str, np.ndarray]
    sessions: np.ndarray
    is_long: np.ndarray
    horizon_bars: int
    _month: tuple[int, int] | None = None
    _suspended: tuple[str, ...] = ()

    @classmethod
    def of(cls, earlier: pl.DataFrame, new: pl.DataFrame, bars: pl.DataFrame, horizon_bars: int) -> IdeaRecord:
        """Return the record of earlier ideas, with room for those to come, resolved by the bars."""
        none = np.full(new.height, np.nan)
        stated = {n: np.concatenate([earlier[n].to_numpy(), none]) for n in ("p_raw", "p_event", "p_baseline")}
        both = pl.concat([earlier.select("session", "target_log"), new.select("session", "target_log")])
        return cls(
            _resolutions(earlier, new, bars),
            stated,
            both["session"].to_physical().cast(pl.Int64).to_numpy(),
            (both["target_log"] > 0.0).to_numpy(),
            horizon_bars,
        )

    def note(self, first: int, candidates: pl.DataFrame) -> None:
        """Write down what was just stated."""
        for name, values in self.stated.items():
            values[first : first + candidates.height] = candidates[name].to_numpy()

    def map_at(self, now: int) -> ShrinkageMap:
        """Return the map from the ideas whose outcome is known at an instant, microseconds since 1970."""
        known = self.resolved["known"] <= now
        p_raw = self.stated["p_raw"][self.resolved["place"][known]]
        return shrinkage_map(p_raw, self.resolved["happened"][known], 1.0 / self.horizon_bars)

    def suspended_at(self, session: dt.date) -> tuple[str, ...]:
        """Return the structures whose skill was surely below zero at the end of the month before."""
        if self._month != (session.year, session.month):
            self._month = session.year, session.month
            cut = learning_moments([session])["cut"][0]
            known = self.resolved["known"] <= cut
            place, happened = self.resolved["place"][known], self.resolved["happened"][known]
            sides = {"shares_long": self.is_long[place], "shares_short": ~self.is_long[place]}
            self._suspended = tuple(
                name for name, own in sides.items() if self._has_no_skill(place[own], happened[own])
            )
        return self._suspended

    def _has_no_skill(self, place: np.ndarray, happened: np.ndarray) -> bool:
        if place.size < SUSPENSION_IDEAS:
            return False
        order = np.argsort(place)
        place, happened = place[order], happened[order]
        p_event, p_baseline = (self.stated[name][place] for name in ("p_event", "p_baseline"))
        _, high = skill_interval(self.sessions[place], self.horizon_bars, p_event, p_baseline, happened)
        return bool(high < 0.0)


def _resolutions(earlier: pl.DataFrame, new: pl.DataFrame, bars: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return which ideas have resolved, since when that is known, and how: arrays in the order of that instant."""
    columns = [
        "session",
        "symbol",
        "idea_id",
        "as_of",
        "horizon_bars",
        "target_log",
        "stop_log",
        "provider",
        "synthetic",
    ]
    side = pl.when(pl.col("target_log") > 0.0).then(1).otherwise(-1).cast(pl.Int8)
    both = pl.concat([earlier.select(columns), new.select(columns)]).with_columns(side=side).with_row_index("sequence")
    if both.is_empty() or bars.is_empty():
        return {"place": np.empty(0, np.int64), "known": np.empty(0, np.int64), "happened": np.empty(0, bool)}
    last = max(both["as_of"].max(), bars["known_at"].max())  # type: ignore[type-var]
    found = resolution_rows(both, bars, last).filter(pl.col("outcome").is_not_null())  # type: ignore[arg-type]
    told = found.join(both.select("idea_id", place=pl.col("sequence").cast(pl.Int64)), on="idea_id").select(
        "place", known=pl.col("known_at").dt.epoch("us"), happened=pl.col("outcome") == "target"
    )
    ordered = told.sort("known", "place")
    return {name: ordered[name].to_numpy() for name in ordered.columns}
