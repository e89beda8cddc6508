"""How long fitting took, measured between the two entries that every fit makes in the trial ledger."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    import polars as pl

    from gnosis.backtest.trials import Ended, Figures, Recorder, Status, Trial


class FitClock:
    """A recorder that hands everything on to another one and adds up the seconds between begin and finish.

    Fits run side by side in threads: the seconds of a family of trials are those of its fits one after the other.

    Attributes
    ----------
    seconds
        By family of the ledger.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._began: dict[tuple[str, int], float] = {}
        self._lock = threading.Lock()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def begin(self, trial: Trial) -> None:
        """Hand the trial on and start its clock."""
        self._recorder.begin(trial)
        with self._lock:
            self._began[trial.trial_id, threading.get_ident()] = time.perf_counter()

    def begin_all(self, trials: Sequence[Trial]) -> None:
        """Hand trials on; what is begun together is not timed."""
        self._recorder.begin_all(trials)

    def finish(
        self,
        trial: Trial,
        *,
        status: Status = "complete",
        returns: pl.DataFrame | None = None,
        **figures: Unpack[Figures],
    ) -> None:
        """Stop the clock of the trial and hand its end on."""
        with self._lock:
            began = self._began.pop((trial.trial_id, threading.get_ident()), None)
            if began is not None:
                self.seconds[trial.family] += time.perf_counter() - began
        self._recorder.finish(trial, status=status, returns=returns, **figures)

    def finish_all(self, ended: Sequence[Ended]) -> None:
        """Hand the ends of trials on."""
        self._recorder.finish_all(ended)
