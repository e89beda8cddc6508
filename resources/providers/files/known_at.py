"""Rules that say when a row of a file became known."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Strict(BaseModel):
    """A part of ``gnosis.yaml``: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def quoted_time(value: Any) -> Any:
    """Return a time, or several by name, as written; raise ValueError when one is not in quotes."""
    times = value.values() if isinstance(value, dict) else [value]
    if not all(isinstance(time, str) for time in times):
        # YAML reads an unquoted 15:45 as the number 945.
        raise ValueError(f'expected a time in quotes, such as "15:45", found {value!r}')
    return value


class AtClose(Strict):
    """Known at the close of its session. Default of bars and index levels."""

    rule: Literal["session_close"] = "session_close"


class Evening(Strict):
    """Known in the evening of its session, at ``time`` in New York. Default of short volume, at 18:00."""

    rule: Literal["evening"] = "evening"
    time: dt.time = dt.time(18, 0)

    @field_validator("time", mode="before")
    @classmethod
    def _quoted(cls, value: Any) -> Any:
        return quoted_time(value)


class NextMorning(Strict):
    """Known at 09:00 New York of the next session."""

    rule: Literal["next_morning"]


class AfterQuote(Strict):
    """Known ``delay_minutes`` after the quote time. Default of option quotes, without delay."""

    rule: Literal["after_quote"] = "after_quote"
    delay_minutes: float = Field(default=0.0, ge=0)


class AfterTs(Strict):
    """Known ``delay_minutes`` after the instant ``ts`` of the row. Default of bars within the day, books and trades,
    without delay; posts and news have to state what it took to collect them.
    """

    rule: Literal["after_ts"] = "after_ts"
    delay_minutes: float = Field(ge=0)


class ReleaseLag(Strict):
    """Known at 09:00 New York of the first session that is at least so many calendar days after ``ref_date``.

    A fixed lag stands in for a publication date that the file does not have, so ``is_vintage`` is false. Only the
    series listed here are served.
    """

    rule: Literal["release_lag"]
    days: dict[str, int] = Field(min_length=1)

    @field_validator("days")
    @classmethod
    def _positive(cls, days: dict[str, int]) -> dict[str, int]:
        wrong = {series: lag for series, lag in days.items() if lag < 1}
        if wrong:
            raise ValueError(f"expected lags of at least 1 day, found {wrong}")
        return days


class FromColumn(Strict):
    """Known at the instant in a column of the file; ``zone`` is needed when the instants carry none."""

    rule: Literal["column"]
    column: str
    zone: str | None = None


KnownAt = Annotated[
    AtClose | Evening | NextMorning | AfterQuote | AfterTs | ReleaseLag | FromColumn, Field(discriminator="rule")
]
