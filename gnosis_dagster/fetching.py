"""``gnosis fetch``: receives the raw tables of sessions ahead of a run, and goes on where it was stopped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from assets.raw import FETCHED
from resources.providers.live.errors import UnavailableError
from resources.providers.live.service import SNAPSHOTS

if TYPE_CHECKING:
    from rich.console import Console

    from resources.providers.live.provider import LiveProvider
    from resources.providers.live.router import Progress as Step


@dataclass(frozen=True)
class Received:
    """What a fetch left.

    Attributes
    ----------
    rows
        By table.
    unserved
        By table, why nothing came.
    """

    rows: dict[str, int]
    unserved: dict[str, str]


def fetch(
    console: Console, live: LiveProvider, sessions: Sequence[dt.date], tables: Sequence[str] | None, *, again: bool
) -> Received:
    """Receive and land the rows of ``tables`` (all that the provider serves by default) for ``sessions``.

    What has landed is not asked for again unless ``again``; each answer lands as it comes, so a killed fetch loses at
    most the one under way.
    """
    wanted = [table for table in tables or FETCHED if table in live.tables]
    rows: dict[str, int] = {}
    unserved: dict[str, str] = {}
    columns = (
        TextColumn("{task.description:<20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[service]:<14}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        for table in wanted:
            asked = [sessions[-1]] if table in SNAPSHOTS else list(sessions)
            task = bars.add_task(table, total=None, service="")

            def advance(step: Step, task: TaskID = task) -> None:
                bars.update(task, total=step.all_cells, completed=step.done_cells, service=step.service)

            try:
                rows[table] = live.fetch(table, asked, again=again, progress=advance).frame.height
            except UnavailableError as error:
                unserved[table] = str(error)
            if bars.tasks[task].total is None:
                # Everything had landed before, or nobody could be asked: there was no step to report.
                bars.update(task, total=1, completed=int(table in rows), service="landed" if table in rows else "none")
    return Received(rows, unserved)
