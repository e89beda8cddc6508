"""The trial ledger: everything ever fitted or backtested, one hash chain, counted per family.

A trial is written down before it gives a result and again with its figures after. Whatever can give a result takes a
:class:`Recorder` as a mandatory argument: there is no way to a figure that leaves no row (B-12.2).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

import polars as pl

from gnosis.backtest.trial_chain import Chain, ChainError, TrialError, described, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Unpack

Origin = Literal["training", "optuna", "sweep", "walk_forward", "backtest", "placebo", "vault"]
Status = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """What is tried: equal trials are one trial, however often they are run.

    Attributes
    ----------
    family
        Universe, horizon and strategy or head: what trials are counted within.
    origin
        What tries it.
    parameters
        What is tried, as canonical JSON.
    data_sha256, code_sha256
        Hashes of the data and of the code.
    period_first, period_last
        First and last session of the data.

    Examples
    --------
    >>> day = dt.date(2024, 1, 2)
    >>> Trial("SPY h5 direction", "optuna", '{"eta":0.1}', "d" * 64, "c" * 64, day, day).trial_id[:12]
    '67722e2374e7'
    """

    family: str
    origin: Origin
    parameters: str
    data_sha256: str
    code_sha256: str
    period_first: dt.date
    period_last: dt.date

    def __post_init__(self) -> None:
        if self.period_last < self.period_first:
            raise TrialError(
                f"expected a period that ends after it begins, found {self.period_first} to {self.period_last}"
            )

    @cached_property
    def trial_id(self) -> str:
        """SHA-256 of everything above."""
        return sha256_of(described(self))


class Figures(TypedDict, total=False):
    """What a trial came to, as in ``backtests.trials``; left out or None where there is none."""

    n: int | None
    sharpe_per_period: float | None
    skewness: float | None
    kurtosis: float | None
    loss: float | None


@dataclass(frozen=True)
class Ended:
    """How a trial ended: the arguments of :meth:`Recorder.finish`, for many trials at once.

    Attributes
    ----------
    trial
        Begun before.
    status
        How it ended.
    returns
        ``session`` and ``net_return``, or None.
    figures
        What it came to.
    """

    trial: Trial
    status: Status = "complete"
    returns: pl.DataFrame | None = None
    figures: Figures = field(default_factory=Figures)


class Recorder(Protocol):
    """Whoever fits, tunes or backtests is handed one."""

    def begin(self, trial: Trial) -> None:
        """Write a trial down before it gives a result. A trial that is already there is not written again."""
        ...

    def begin_all(self, trials: Sequence[Trial]) -> None:
        """Write many trials down, in their order, before any of them gives a result."""
        ...

    def finish(
        self,
        trial: Trial,
        *,
        status: Status = "complete",
        returns: pl.DataFrame | None = None,
        **figures: Unpack[Figures],
    ) -> None:
        """Write down how a trial ended. One that is already complete is left as it is.

        Parameters
        ----------
        trial
            Begun before.
        status
            How it ended.
        returns
            ``session`` and ``net_return`` (simple return per session), kept beside the ledger for the correlation of
            trials. Without them a trial counts as independent of all others.
        figures
            What it came to.

        Raises
        ------
        TrialError
            For a trial that was never begun, or a figure that is not finite.
        """
        ...

    def finish_all(self, ended: Sequence[Ended]) -> None:
        """Write down how many trials ended, in their order; see :meth:`finish`."""
        ...


def returns_sha256(returns: pl.DataFrame) -> str:
    """Return the hash of a return series with ``session`` and ``net_return``.

    Raises
    ------
    TrialError
        Other columns, unsorted or repeated sessions, or returns that are not finite.
    """
    if returns.columns != ["session", "net_return"] or not returns["session"].is_sorted():
        raise TrialError(f"expected returns with session and net_return sorted by session, found {returns.columns}")
    values = returns["net_return"].cast(pl.Float64)
    is_whole = not returns.null_count().sum_horizontal().item() and values.is_finite().all()
    if not is_whole or returns["session"].n_unique() != returns.height:
        raise TrialError("expected one finite net_return per session, found repeated sessions or other values")
    digest = hashlib.sha256(returns["session"].to_physical().to_numpy().astype("<i4").tobytes())
    digest.update(values.to_numpy().astype("<f8").tobytes())
    return digest.hexdigest()


class MemoryLedger:
    """A ledger that lives as long as the process, with the same chain as the stored one.

    Examples
    --------
    >>> day = dt.date(2024, 1, 2)
    >>> ledger, trial = MemoryLedger(), Trial("SPY", "backtest", "{}", "d" * 64, "c" * 64, day, day)
    >>> ledger.begin(trial); ledger.finish(trial, loss=0.69); ledger.begin(trial)
    >>> ledger.rows()["status"].to_list(), count_trials(ledger.rows(), "SPY")
    (['begun', 'complete'], 1)
    """

    def __init__(self) -> None:
        self._chain = Chain()
        self._returns: dict[str, pl.DataFrame] = {}

    def begin(self, trial: Trial) -> None:
        """See :class:`Recorder`."""
        self.begin_all([trial])

    def begin_all(self, trials: Sequence[Trial]) -> None:
        """See :class:`Recorder`."""
        for trial in trials:
            self._chain.begin(trial)

    def finish(
        self,
        trial: Trial,
        *,
        status: Status = "complete",
        returns: pl.DataFrame | None = None,
        **figures: Unpack[Figures],
    ) -> None:
        """See :class:`Recorder`."""
        self.finish_all([Ended(trial, status, returns, figures)])

    def finish_all(self, ended: Sequence[Ended]) -> None:
        """See :class:`Recorder`."""
        for end in ended:
            digest = None if end.returns is None else returns_sha256(end.returns)
            row = self._chain.finish(end.trial, end.status, end.figures, digest)
            if row is not None and end.returns is not None and digest is not None:
                self._returns[digest] = end.returns

    def rows(self) -> pl.DataFrame:
        """Return ``backtests.trials``."""
        return self._chain.frame()

    def returns(self, sha256: str) -> pl.DataFrame:
        """Return the series that a trial ended with."""
        return self._returns[sha256]


def verify_chain(rows: pl.DataFrame) -> None:
    """Recompute every hash of the ledger.

    Parameters
    ----------
    rows
        ``backtests.trials``, whole and in order.

    Raises
    ------
    ChainError
        At the first row that was changed, removed or moved. That the newest rows are missing a chain cannot tell; the
        stored ledger remembers its length for that.
    """
    chain = Chain()
    for row in _plain(rows):
        chain.accept(row)


def _plain(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    iso = pl.col("period_first", "period_last").dt.to_string("%Y-%m-%d")
    return rows.with_columns(iso, pl.col("origin", "status").cast(pl.String)).iter_rows(named=True)


def trials_of_family(rows: pl.DataFrame, family: str) -> pl.DataFrame:
    """Return one row per trial of a family with its latest status and figures, in the order they were begun.

    Pruned, failed and abandoned trials are among them (B-12.3).
    """
    own = rows.filter(pl.col("family") == family).sort("sequence")
    return own.group_by("trial_id", maintain_order=True).last().select(rows.columns)


def count_trials(rows: pl.DataFrame, family: str) -> int:
    """Return the number of trials of a family, whatever became of them; reruns are one trial (B-12.2, B-12.3)."""
    return rows.filter(pl.col("family") == family)["trial_id"].n_unique()


def vault_openings(rows: pl.DataFrame, family: str) -> int:
    """Return how often the vault was opened for a family; above 1 it is spent (L-4.7)."""
    opened = rows.filter(pl.col("family") == family, pl.col("origin").cast(pl.String) == "vault")
    return opened["trial_id"].n_unique()


__all__ = [
    "ChainError",
    "Ended",
    "Figures",
    "MemoryLedger",
    "Recorder",
    "Trial",
    "TrialError",
    "count_trials",
    "returns_sha256",
    "trials_of_family",
    "vault_openings",
    "verify_chain",
]
