"""Second and third opinions on prices: few asks, and what one ask brings is remembered for all that need it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from gnosis.tables import TABLES
from resources.providers.live.asking import Asker, Received
from resources.providers.live.cells import CELLS, NO_SYMBOL, among, cells_of, cut, is_among, without
from resources.providers.live.ordering import reachable
from resources.providers.live.price_check import Checked, check_prices
from resources.providers.live.quality import REASONS_JOINED, no_events, reason
from resources.providers.live.service import Ask, Service
from resources.providers.protocol import Source

MOST_ASKS = 4
"""Asks that a second opinion on one answer may take; a service that would take more is not asked for it."""


@dataclass(frozen=True)
class Opinion:
    """What others said of the rows of one answer.

    Attributes
    ----------
    checked
        The rows taken, and what is in doubt.
    sources
        Raw material of the opinions.
    alone
        Why nobody else spoke; None when somebody did. Each row is then unverified: the landing says it of each.
    """

    checked: Checked
    sources: tuple[Source, ...]
    alone: str | None = None


class Opinions:
    """The opinions of some services on the cells of one collection.

    Each service's asks are cut once, over all cells of the collection: so a service that takes a hundred symbols at
    once is asked once for a hundred answers of one that takes them singly.

    Parameters
    ----------
    services
        Those that have the table, in the order in which they are asked.
    cells
        All cells of the collection.
    newest
        Newest session of now.
    """

    def __init__(
        self, asker: Asker, services: Sequence[Service], table: str, cells: pl.DataFrame, newest: dt.date
    ) -> None:
        self.asker, self.table = asker, table
        self.plans = {service.profile.name: _Plan(service, table, cells, newest) for service in services}
        self._received: dict[tuple[str, Ask], Received] = {}

    def check(self, rows: pl.DataFrame, received: Received, tolerance: float, same_instant_s: float) -> Opinion:
        """Return the checked rows.

        Parameters
        ----------
        rows
            Rows of one service, those that it is asked about.
        received
            The answer that they come from.
        """
        name = rows["provider"][0]
        used: list[Received] = []
        second, why = rows.clear(), ""
        if len(self.plans) > 1:
            need = cells_of(rows, self.table).unique().with_columns(asked=pl.lit([name]))
            second, why = self._of_others(need, used)

        def third_of(disputed: pl.DataFrame) -> pl.DataFrame:
            asked = pl.concat_list("provider", "disputed_by")
            cells = cells_of(disputed, self.table).with_columns(disputed.select(asked=asked))
            return self._of_others(cells.unique(list(CELLS), maintain_order=True), used)[0]

        alone = why or "no other configured service has this table for these sessions"
        if second.is_empty():
            return Opinion(Checked(rows, no_events()), _sources_of(used), alone)
        checked = check_prices(
            self.table,
            rows,
            second,
            third_of,
            known_at=max(received.received_at, *(each.received_at for each in used)),
            alone=alone,
            tolerance=tolerance,
            same_instant_s=same_instant_s,
        )
        return Opinion(checked, _sources_of(used))

    def _of_others(self, need: pl.DataFrame, used: list[Received]) -> tuple[pl.DataFrame, str]:
        # Rows for the cells of ``need`` (``asked`` lists the services that spoke already), and why some have none.
        found, reasons = [TABLES[self.table].empty()], []
        for name, plan in self.plans.items():
            open_cells = need.filter(~pl.col("asked").list.contains(name))
            asks = plan.asks_for(open_cells)
            if not asks:
                continue
            if len(asks) > MOST_ASKS:
                reasons.append(f"{name} Costly: it would take {len(asks)} asks")
                continue
            for ask in asks:
                each = self._ask(plan.service, ask)
                used.append(each)
                if each.answer is None:
                    assert each.error is not None
                    reasons.append(reason(each.error))
                    continue
                rows = each.answer.frame
                found.append(rows.filter(is_among(cells_of(rows, self.table), open_cells)))
            need = without(need, cells_of(pl.concat(found), self.table))
            if need.is_empty():
                break
            if not reasons or not reasons[-1].startswith(f"{name} "):
                reasons.append(f"{name} EmptyResult: no row of it")
        return pl.concat(found), REASONS_JOINED.join(dict.fromkeys(reasons))

    def _ask(self, service: Service, ask: Ask) -> Received:
        key = service.profile.name, ask
        if key not in self._received:
            self._received[key] = self.asker.ask(service, ask)
        return self._received[key]


class _Plan:
    # The asks that bring all cells of a collection from one service, found by symbol and by session.

    def __init__(self, service: Service, table: str, cells: pl.DataFrame, newest: dt.date) -> None:
        capability = service.profile.capabilities[table]
        days = reachable(cells["session"].unique().sort().to_list(), capability, newest)
        self.service = service
        self.cells = cells.filter(pl.col("session").is_in(list(days)))
        self.asks = cut(self.cells, table, capability)
        self._by_symbol: dict[str, set[int]] = defaultdict(set)
        self._by_session: dict[dt.date, set[int]] = defaultdict(set)
        for number, ask in enumerate(self.asks):
            for symbol in ask.symbols or (NO_SYMBOL,):
                self._by_symbol[symbol].add(number)
            for day in ask.sessions:
                self._by_session[day].add(number)

    def asks_for(self, cells: pl.DataFrame) -> list[Ask]:
        """Return the asks that hold any of the cells."""
        held = among(cells, self.cells)
        numbers: set[int] = set()
        for symbol, days in held.group_by("symbol").agg(pl.col("session").unique()).rows():
            numbers |= self._by_symbol[symbol] & set().union(*(self._by_session[day] for day in days))
        return [self.asks[number] for number in sorted(numbers)]


def _sources_of(used: Sequence[Received]) -> tuple[Source, ...]:
    return tuple(source for each in used for source in each.sources)
