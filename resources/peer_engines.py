"""Other backtest engines, each in an environment of its own, started as processes through Dagster Pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import polars.selectors as cs

from gnosis.backtest.order_tape import order_tape, replay_bars
from gnosis.backtest.reconciliation import PeerResult
from gnosis.tables.backtests import PEERS

FOLDER = Path(__file__).resolve().parent.parent / "peers"
INSTALL = "make peers"
TIMEOUT_SECONDS = 600.0

_FILLS = {
    "tape_number": pl.Int64,
    "session": pl.Date,
    "quantity_shares": pl.Float64,
    "fill_price": pl.Float64,
    "fee_usd": pl.Float64,
}
_EQUITY = {"session": pl.Date, "equity_usd": pl.Float64}
_TAIL_CHARACTERS = 1_000
# A peer sees neither this environment's packages nor its credentials.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT")


class PeerFailedError(RuntimeError):
    """A peer crashed, took too long or wrote what cannot be read."""


@dataclass(frozen=True)
class PeerEngines:
    """The peers that are installed, and how to run them.

    Attributes
    ----------
    context
        Context of the asset that runs them.
    folder
        One folder for each peer with ``replay.py`` and the environment ``.venv``.
    timeout_seconds
        After which a peer is ended.
    """

    context: dg.AssetExecutionContext
    folder: Path = FOLDER
    timeout_seconds: float = TIMEOUT_SECONDS

    @property
    def absent(self) -> list[str]:
        """Engines whose environment is not there."""
        return [engine for engine in PEERS if not interpreter(self.folder / engine).is_file()]

    def replay(
        self, fills: pl.DataFrame, equity: pl.DataFrame, bars: pl.DataFrame, configuration: Mapping[str, object]
    ) -> list[PeerResult]:
        """Replay the fills of a run on every peer.

        Parameters
        ----------
        fills, equity
            Rows of ``backtests.fills`` and ``backtests.equity`` of one run.
        bars
            Rows of ``raw.equity_bars`` that it ran on.
        configuration
            Its configuration.

        Returns
        -------
        list of PeerResult
            One for each engine; one that is not installed or failed has the reason instead of frames.
        """
        tape = order_tape(fills, configuration)
        if tape.is_empty() or not set(tape["symbol"]) <= set(bars["symbol"]):
            reason = "nothing to replay: the run has no fills" if tape.is_empty() else "options are not replayed"
            return [PeerResult(engine, reason=reason, is_installed=False) for engine in PEERS]
        laid = replay_bars(bars, equity, tape)
        # No peer may refuse or cut an order for want of cash: more than all that is traded is lent to those that would.
        prices = tape.join(laid, on=["session", "symbol"], how="left")
        traded = prices.select((pl.col("quantity_shares").abs() * pl.max_horizontal("high", "price")).sum()).item()
        extras = {"initial_cash_usd": configuration["initial_cash_usd"], "lent_cash_usd": float(round(2 * traded + 1))}
        return [self._result(engine, laid, tape, extras) for engine in PEERS]

    def _result(self, engine: str, bars: pl.DataFrame, tape: pl.DataFrame, extras: dict[str, object]) -> PeerResult:
        if not interpreter(self.folder / engine).is_file():
            reason = f"expected the environment of {engine} in {self.folder / engine}, found none: run `{INSTALL}`"
            return PeerResult(engine, reason=reason, is_installed=False)
        with tempfile.TemporaryDirectory(prefix="gnosis-peer-") as name:
            folder = Path(name)
            bars.write_parquet(folder / "bars.parquet")
            tape.write_parquet(folder / "tape.parquet")
            try:
                version = self._run(engine, folder, extras)
                fills = _read(engine, folder / "fills.parquet", _FILLS)
                equity = _read(engine, folder / "equity.parquet", _EQUITY)
                if equity["session"].to_list() != bars["session"].unique().sort().to_list():
                    raise PeerFailedError(
                        f"{engine}: expected the equity of {bars['session'].n_unique()} sessions in order, found "
                        f"{equity.height} rows"
                    )
            except PeerFailedError as error:
                return PeerResult(engine, reason=str(error))
        return PeerResult(engine, version, fills, equity)

    def _run(self, engine: str, folder: Path, extras: dict[str, object]) -> str:
        home = self.folder / engine
        with warnings.catch_warnings():
            # Pipes itself calls what Dagster announces as new and as deprecated.
            warnings.simplefilter("ignore", dg.PreviewWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            with dg.open_pipes_session(
                context=self.context,
                extras={**extras, "folder": str(folder)},
                context_injector=dg.PipesTempFileContextInjector(),
                message_reader=dg.PipesTempFileMessageReader(),
            ) as session:
                passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
                own = {"ZIPLINE_ROOT": str(folder), "MPLCONFIGDIR": str(folder), "PYTHONWARNINGS": "ignore"}
                try:
                    done = subprocess.run(
                        [str(interpreter(home)), str(home / "replay.py")],
                        cwd=folder,
                        env={**passed_on, **own, **session.get_bootstrap_env_vars()},
                        capture_output=True,
                        text=True,
                        errors="replace",
                        stdin=subprocess.DEVNULL,
                        timeout=self.timeout_seconds,
                        check=False,
                    )
                except subprocess.TimeoutExpired as error:
                    said = error.stderr or b""
                    tail = _tail(said if isinstance(said, str) else said.decode(errors="replace"))
                    raise PeerFailedError(
                        f"{engine}: expected an end within {self.timeout_seconds:g} s, ended it there{tail}"
                    ) from error
                except OSError as error:
                    raise PeerFailedError(f"{engine}: could not be started: {error}; run `{INSTALL}`") from error
        if done.returncode != 0:
            raise PeerFailedError(f"{engine}: ended with code {done.returncode}{_tail(done.stderr)}")
        versions = [message["version"] for message in session.get_custom_messages() if "version" in message]
        if len(versions) != 1:
            raise PeerFailedError(f"{engine}: expected it to report its version once, found {len(versions)} reports")
        return str(versions[0])


class PeerEnginesResource(dg.ConfigurableResource):
    """Names the folder of the peers' environments."""

    folder: str = str(FOLDER)
    timeout_seconds: float = TIMEOUT_SECONDS

    def engines(self, context: dg.AssetExecutionContext) -> PeerEngines:
        """Return the peers for the asset that runs with ``context``."""
        return PeerEngines(context, Path(self.folder), self.timeout_seconds)


def interpreter(folder: Path) -> Path:
    """Return the Python of the peer in ``folder``."""
    return folder / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _tail(text: str) -> str:
    return f"; it said: ...{text.strip()[-_TAIL_CHARACTERS:]}" if text.strip() else "; it said nothing"


def _read(engine: str, path: Path, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """Return what a peer wrote, or raise :class:`PeerFailedError` naming what is wrong with it."""
    try:
        frame = pl.read_parquet(path)
        frame = frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PeerFailedError(f"{engine}: expected {path.name} with {list(schema)}, found {error}") from error
    broken = frame.filter(pl.any_horizontal(pl.all().is_null(), cs.float().is_finite().not_()))
    if broken.height:
        raise PeerFailedError(f"{engine}: expected finite values in {path.name}, found {broken.row(0)}")
    return frame
