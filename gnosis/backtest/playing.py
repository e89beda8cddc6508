"""One pass of one decision-maker over prepared bars, written into the ledger of trials; what it came to, no frames."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import polars as pl

from gnosis.backtest.configuration import ENGINE_VERSION, Configuration
from gnosis.backtest.deciding import Taken, by_strategy, by_tape, by_targets, checked_tape, checked_targets
from gnosis.backtest.ledger import UNIT, LedgerError
from gnosis.backtest.market import frame_sha256
from gnosis.backtest.prepared import Prepared
from gnosis.backtest.result import equity_frame, fills_frame, origin_by_session
from gnosis.backtest.simulation import Decider, Events, Simulation
from gnosis.backtest.strategy import Decide, Strategy
from gnosis.backtest.trials import Figures, Recorder, Trial

_ORIGIN = ["session", "known_at", "provider", "synthetic"]


@dataclass(frozen=True)
class Played:
    """A finished pass; what is asked of it is made then.

    Attributes
    ----------
    prepared, configuration
        What was run on, and under which costs and limits.
    name, chosen
        Of the strategy, and its parameters as canonical JSON.
    first, universe
        Number of the first session, and the symbols.
    simulation, events
        State at the end, and what was written down.
    given, taken
        The frame of decisions, or what a strategy decided.
    served
        Names of the tables that the decision could read.
    trial
        In the ledger.
    """

    prepared: Prepared
    configuration: Configuration
    name: str
    chosen: str
    first: int
    universe: list[str]
    simulation: Simulation
    events: Events
    given: pl.DataFrame | None
    taken: Taken
    served: list[str]
    trial: Trial

    @cached_property
    def curve(self) -> pl.DataFrame:
        """``session`` and ``equity_usd`` at every close; the first row is the deposit."""
        sessions = self.prepared.market.sessions
        return pl.DataFrame(
            {
                "session": [sessions[close.session] for close in self.events.closes],
                "equity_usd": [close.equity / UNIT for close in self.events.closes],
            },
            schema={"session": pl.Date, "equity_usd": pl.Float64},
        )

    @cached_property
    def returns(self) -> pl.DataFrame | None:
        """``session`` and ``net_return``; None once equity was not positive, or with one close only."""
        if self.curve.height < 2 or (self.curve["equity_usd"] <= 0).any():
            return None
        return self.curve.select("session", net_return=pl.col("equity_usd").pct_change())[1:]

    @cached_property
    def data_sha256(self) -> str:
        """Hash of bars, decisions and every table that could be read."""
        tables = {name: self.prepared.table_sha256(name) for name in self.served}
        hashes = [self.prepared.bars_sha256, frame_sha256(self.taken.frame() if self.given is None else self.given)]
        hashes += [f"{name} {sha256}" for name, sha256 in sorted({**self.prepared.input_sha256, **tables}.items())]
        return sha256_of("\n".join(hashes))

    @cached_property
    def run_key(self) -> str:
        """Hash of data, configuration and engine version."""
        tried = [self.data_sha256, self.configuration.canonical_json(), self.chosen, self.name, str(self.first)]
        return sha256_of("\n".join([*tried, ENGINE_VERSION]))

    @cached_property
    def origin(self) -> pl.DataFrame:
        """See :func:`gnosis.backtest.result.origin_by_session`."""
        tables = [self.prepared.tables[name] for name in self.served]
        used = [frame.select(_ORIGIN) for frame in tables if set(_ORIGIN) <= set(frame.columns)]
        if self.given is not None and set(_ORIGIN) <= set(self.given.columns):
            # An order of a tape is known with its last state, but what it rests on was known when it was submitted.
            is_tape = "kind" in self.given.columns
            known_at = pl.lit(None, self.given.schema["known_at"]) if is_tape else pl.col("known_at")
            used.append(self.given.select(_ORIGIN).with_columns(known_at=known_at))
        return origin_by_session(self.prepared.market, pl.concat(used) if used else pl.DataFrame(), self.first)

    @cached_property
    def equity(self) -> pl.DataFrame:
        """Rows of ``backtests.equity``."""
        return equity_frame(self.run_key, self.events, self.origin)

    @cached_property
    def fills(self) -> pl.DataFrame:
        """Rows of ``backtests.fills``."""
        return fills_frame(self.run_key, self.events, self.origin)

    @cached_property
    def held_equity(self) -> pl.DataFrame:
        """Rows of buy-and-hold of the same symbols, from the same session, at the same costs."""
        return equity_frame(self.run_key, self._held, self.origin)

    @cached_property
    def held_fills(self) -> pl.DataFrame:
        """Fills of buy-and-hold."""
        return fills_frame(self.run_key, self._held, self.origin)

    @property
    def _held(self) -> Events:
        return self.prepared.held(self.configuration, self.universe, self.first)


def play(
    prepared: Prepared,
    decisions: pl.DataFrame | Strategy | Decide,
    configuration: Configuration,
    *,
    recorder: Recorder,
    code_sha256: str,
    parameters: Mapping[str, Any] | None = None,
    first_session: dt.date | None = None,
) -> Played:
    """Run decisions once over prepared bars; the trial is begun before and finished after.

    Parameters and errors are those of :func:`gnosis.backtest.run`.
    """
    taken = Taken()
    served = _served(decisions, prepared.tables)
    first, universe, decide, given = _decider(
        decisions, prepared, configuration, parameters, served, first_session, taken
    )
    name, chosen = configuration.strategy, "{}"
    if isinstance(decisions, Strategy):
        name, chosen = decisions.name, decisions.parameters_json(parameters)
    trial = _trial(name, chosen, configuration, universe, prepared.market.sessions[first], code_sha256)
    recorder.begin(trial)
    simulation = Simulation(prepared.market, configuration, prepared.delistings, prepared.conditions)
    events = simulation.run(first, decide)
    if events.closes[-1].equity != simulation.expected.equity:
        found, expected = (units / UNIT for units in (events.closes[-1].equity, simulation.expected.equity))
        raise LedgerError(f"I6: expected the curve to end at {expected}, found {found}")
    played = Played(
        prepared, configuration, name, chosen, first, universe, simulation, events, given, taken, served, trial
    )
    recorder.finish(trial, returns=played.returns, **trial_figures(played.curve))
    return played


def family_of(symbols: list[str], name: str) -> str:
    """Return what the trials of a strategy on these symbols are counted within.

    Examples
    --------
    >>> family_of(["QQQ", "SPY"], "gamma_regime")
    'QQQ+SPY gamma_regime'
    """
    joined = "+".join(symbols)
    return f"{joined if len(symbols) <= 20 else f'{len(symbols)} symbols {sha256_of(joined)[:12]}'} {name}"


def trial_figures(equity: pl.DataFrame) -> Figures:
    """Return what the ledger keeps of a curve: returns counted, and their moments where they move.

    Examples
    --------
    >>> trial_figures(pl.DataFrame({"equity_usd": [100.0, 101.0, 100.0]}))["n"]
    2
    """
    returns = equity["equity_usd"].pct_change().drop_nulls()
    spread = returns.std()
    if returns.len() < 2 or not spread:
        return {"n": returns.len()}
    return {
        "n": returns.len(),
        "sharpe_per_period": float(returns.mean() / spread),  # type: ignore[operator, arg-type]
        "skewness": returns.skew(),
        "kurtosis": returns.kurtosis(fisher=False),
    }


def sha256_of(text: str) -> str:
    """Return the hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _decider(
    decisions: pl.DataFrame | Strategy | Decide,
    prepared: Prepared,
    configuration: Configuration,
    parameters: Mapping[str, Any] | None,
    served: list[str],
    first_session: dt.date | None,
    taken: Taken,
) -> tuple[int, list[str], Decider, pl.DataFrame | None]:
    """Return the first session number, the symbols, who decides, and the frame of decisions where there is one."""
    market = prepared.market
    if parameters and not isinstance(decisions, Strategy):
        raise ValueError(f"expected parameters with a strategy declared by @strategy, found {sorted(parameters)}")
    if isinstance(decisions, pl.DataFrame):
        is_tape = {"order_number", "kind"} <= set(decisions.columns)
        given = checked_tape(decisions, market) if is_tape else checked_targets(decisions, market)
        start = given["session"].min() if first_session is None else first_session
        first = market.session_number(start)  # type: ignore[arg-type]
        decide = by_tape(given, market) if is_tape else by_targets(given, market, first)
        return first, given["symbol"].unique().sort().to_list(), decide, given
    first = 0 if first_session is None else market.session_number(first_session)
    function = decisions.decide(parameters) if isinstance(decisions, Strategy) else decisions
    tables = {name: prepared.known(name) for name in served}
    decide = by_strategy(function, market, configuration, prepared.known_bars, tables, prepared.delistings, taken)
    return first, market.symbols, decide, None


def _served(decisions: pl.DataFrame | Strategy | Decide, tables: Mapping[str, pl.DataFrame]) -> list[str]:
    """Return the tables that the decision may read: those a strategy declares, all of them for a plain function."""
    if isinstance(decisions, pl.DataFrame):
        return []
    if not isinstance(decisions, Strategy):
        return list(tables)
    if missing := [name for name in decisions.reads if name not in tables]:
        raise ValueError(f"expected the tables that {decisions.name} reads, missing {missing}: give them in tables")
    return list(decisions.reads)


def _trial(
    name: str, chosen: str, configuration: Configuration, universe: list[str], first: dt.date, code_sha256: str
) -> Trial:
    """Return the ledger's entry. The same strategy followed for one more session is the same trial."""
    tried = configuration.canonical_json()
    if chosen != "{}":
        content = {"configuration": asdict(configuration), "parameters": json.loads(chosen)}
        tried = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return Trial(
        family=family_of(universe, name),
        origin="backtest",
        parameters=tried,
        data_sha256=sha256_of(f"{'+'.join(universe)}\n{first}"),
        code_sha256=code_sha256,
        period_first=first,
        period_last=first,
    )
