"""Second and third opinions on prices: few asks, and what one ask brings is remembered for all that need it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from gnosis.tables import TABLES
from resources.providers.live.asking import Asker, Received
from resources.providers.live.cells import CELLS, cells_of, cut_cells, is_among, is_of_kind, without
from resources.providers.live.ordering import reachable
from resources.providers.live.price_check import Checked, check_prices
from resources.providers.live.quality import REASONS_JOINED, no_events, reason
from resources.providers.live.service import Ask, Service
from resources.providers.protocol import Source

MOST_ASKS = 4
"""Asks that the opinion on one answer may take for each of its sessions; a service that would take more is not asked.

Counted by session, so that a night and a range of years are confirmed by the same services. What an ask brings is
remembered: a range costs at most what asking the service for all of it would.
"""

NO_OTHER = "no other configured service has this table for these sessions"
REASONS = pl.Schema({**CELLS, "why": pl.String()})
PLANNED = pl.Schema({**CELLS, "ask": pl.Int64()})


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
        if not self.plans.keys() - {name}:
            return Opinion(Checked(rows, no_events()), (), NO_OTHER)
        used: list[Received] = []
        need = cells_of(rows, self.table).unique(maintain_order=True).with_columns(asked=pl.lit([name]))
        second, silent = self._of_others(need, used)

        def third_of(disputed: pl.DataFrame) -> pl.DataFrame:
            asked = pl.concat_list("provider", "disputed_by")
            cells = cells_of(disputed, self.table).with_columns(disputed.select(asked=asked))
            return self._of_others(cells.unique(list(CELLS), maintain_order=True), used)[0]

        if second.is_empty() and silent["alone"].n_unique() == 1:
            return Opinion(Checked(rows, no_events()), _sources_of(used), silent["alone"][0])
        checked = check_prices(
            self.table,
            rows,
            second,
            third_of,
            known_at=max(received.received_at, *(each.received_at for each in used)),
            alone=silent,
            tolerance=tolerance,
            same_instant_s=same_instant_s,
        )
        return Opinion(checked, _sources_of(used))

    def _of_others(self, need: pl.DataFrame, used: list[Received]) -> tuple[pl.DataFrame, pl.DataFrame]:
        # Rows for the cells of ``need`` (``asked`` lists the services that spoke already), and of the cells that have
        # none the reasons, ``alone``.
        found, reasons = [TABLES[self.table].empty()], [pl.DataFrame(schema=REASONS)]
        for name, plan in self.plans.items():
            reached = plan.planned(need.filter(~pl.col("asked").list.contains(name)))
            is_dear = pl.len().over("session") > MOST_ASKS * plan.symbols_in_one_ask
            dear, wanted = reached.filter(is_dear), reached.filter(~is_dear)
            reasons.append(_because(dear, f"{name} Costly: it would take more than {MOST_ASKS} asks for each session"))
            if wanted.is_empty():
                continue
            numbers = wanted["ask"].unique().sort().to_list()
            received = [self._ask(plan.service, plan.asks[number]) for number in numbers]
            used += received
            rows = plan.rows_of(numbers, received)
            found.append(rows.filter(is_among(cells_of(rows, self.table), wanted)))
            given = cells_of(found[-1], self.table)
            need, silent = without(need, given), without(wanted, given)
            words = [reason(each.error) if each.error else f"{name} EmptyResult: no row of it" for each in received]
            reasons.append(_because(silent, pl.col("ask").replace_strict(numbers, words, return_dtype=pl.String)))
            if need.is_empty():
                break
        told = pl.concat(reasons).group_by(list(CELLS), maintain_order=True)
        alone = need.select(list(CELLS)).join(
            told.agg(alone=pl.col("why").str.join(REASONS_JOINED)), on=list(CELLS), how="left", maintain_order="left"
        )
        return pl.concat(found), alone.with_columns(pl.col("alone").fill_null(NO_OTHER))

    def _ask(self, service: Service, ask: Ask) -> Received:
        key = service.profile.name, ask
        if key not in self._received:
            self._received[key] = self.asker.ask(service, ask)
        return self._received[key]


class _Plan:
    # The asks that bring all cells of a collection from one service, found by cell.

    def __init__(self, service: Service, table: str, cells: pl.DataFrame, newest: dt.date) -> None:
        capability = service.profile.capabilities[table]
        days = reachable(cells["session"].unique().sort().to_list(), capability, newest)
        is_its_kind = is_of_kind(cells, table, capability)
        pairs = cut_cells(cells.filter(is_its_kind & cells["session"].is_in(list(days))), table, capability)
        numbered = [part.select(*CELLS, ask=pl.lit(number, pl.Int64)) for number, (_, part) in enumerate(pairs)]
        self.service, self.table = service, table
        self.asks = [ask for ask, _ in pairs]
        # None takes any number, so that one ask is enough for a session.
        self.symbols_in_one_ask = capability.max_symbols or max(cells.height, 1)
        self._none = pl.DataFrame(schema=PLANNED)
        by_symbol = pl.concat([self._none, *numbered]).partition_by("symbol", as_dict=True)
        self._by_symbol = {symbol: part for (symbol,), part in by_symbol.items()}
        self._rows: tuple[list[int], pl.DataFrame] | None = None

    def planned(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Return those of the cells that the service can be asked for, with the number of the ask in ``ask``."""
        named = (self._by_symbol.get(symbol, self._none) for symbol in cells["symbol"].unique())
        return cells.join(pl.concat([self._none, *named]), on=list(CELLS), maintain_order="left")

    def rows_of(self, numbers: list[int], received: Sequence[Received]) -> pl.DataFrame:
        """Return the rows of the answers to these asks, one per key."""
        # Answers that came symbol by symbol are compared with the same answers of this service, one after the other.
        if self._rows is None or self._rows[0] != numbers:
            frames = [each.answer.frame for each in received if each.answer is not None]
            rows = pl.concat([TABLES[self.table].empty(), *frames])
            self._rows = numbers, rows.unique(TABLES[self.table].key, keep="first", maintain_order=True)
        return self._rows[1]


def _because(cells: pl.DataFrame, why: str | pl.Expr) -> pl.DataFrame:
    return cells.select(*CELLS, why=pl.lit(why) if isinstance(why, str) else why)


def _sources_of(used: Sequence[Received]) -> tuple[Source, ...]:
    return tuple(source for each in used for source in each.sources)
