"""What is published once: which rows of a night are stored already, and which sessions are still to make."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from resources.lake.errors import CorruptFileError, LakeError, MigrationNeededError

if TYPE_CHECKING:
    import datetime as dt

    from assets.night import Night


def published(night: Night, name: str, *, may_lose: bool) -> tuple[pl.DataFrame, tuple[dt.date, ...]]:
    """Return the stored rows of the sessions to make, and the sessions that have none.

    What cannot be read is an error, or counts as not stored when it ``may_lose``: month by month, so that one damaged
    file takes no readable row with it.
    """
    stored = set(night.lake.sessions(name))
    months = [list(days) for _, days in itertools.groupby(night.sessions, key=lambda day: (day.year, day.month))]
    kept: list[pl.DataFrame] = []
    for days in months if may_lose else [list(night.sessions)]:
        try:
            kept.append(night.only(night.lake.read(name, first=days[0], last=days[-1])))
        except (CorruptFileError, MigrationNeededError) as error:
            if not may_lose:
                raise dg.Failure(f"{name}: {error}", allow_retries=False) from error
            night.warn(f"{name}: {error}; made anew, as this run was asked to")
            stored -= set(days)
        except LakeError as error:
            raise dg.Failure(f"{name}: {error}", allow_retries=False) from error
    todo = tuple(session for session in night.sessions if session not in stored)
    return pl.concat(kept) if kept else night.lake.table(name).empty(), todo
