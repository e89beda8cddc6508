"""Sentiment readings of known quality around a latent one (market K6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnosis.sessions import schedule
from gnosis.simulate.draws import stream
from gnosis.simulate.volatility import persistent_factor

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


@dataclass(frozen=True)
class SentimentTruth:
    """Planted error variance of each source, and the inverse-variance weights that follow."""

    error_variances: tuple[float, ...]

    @property
    def weights(self) -> tuple[float, ...]:
        """Weights proportional to 1 / variance, sum 1.

        Examples
        --------
        >>> [round(weight, 3) for weight in SentimentTruth((1.0, 2.0, 4.0)).weights]
        [0.571, 0.286, 0.143]
        """
        total = sum(1 / variance for variance in self.error_variances)
        return tuple(1 / variance / total for variance in self.error_variances)


def sentiment_readings(
    sessions: Sequence[dt.date], seed: int, error_variances: tuple[float, ...] = (1.0, 2.0, 4.0)
) -> tuple[pl.DataFrame, SentimentTruth]:
    """Return readings of several sources, latent sentiment plus independent errors, one row per session.

    Returns
    -------
    frame : polars.DataFrame
        ``session``, ``latent`` (standard normal, persistence 0.9), ``reading_1`` .. ``reading_n`` (unbounded, unit of
        ``latent``), ``provider``, ``synthetic``.
    truth : SentimentTruth

    Raises
    ------
    ValueError
        When a variance is not positive.

    Examples
    --------
    >>> import datetime as dt
    >>> frame, _ = sentiment_readings([dt.date(2012, 1, 3)], seed=1)
    >>> frame.columns[:3]
    ['session', 'latent', 'reading_1']
    """
    if not error_variances or min(error_variances) <= 0:
        raise ValueError(f"expected error variances > 0, found {error_variances}")
    days = sorted(sessions)
    ordinals = schedule()["session"].search_sorted(pl.Series(days, dtype=pl.Date)).to_numpy()
    length = int(ordinals.max()) + 1
    latent = persistent_factor(stream(seed, "sentiment.latent").standard_normal(length), 0.9)[ordinals]
    readings = {
        f"reading_{number}": latent
        + np.sqrt(variance) * stream(seed, "sentiment.error", number).standard_normal(length)[ordinals]
        for number, variance in enumerate(error_variances, start=1)
    }
    frame = pl.DataFrame({"session": days, "latent": latent, **readings})
    return frame.with_columns(provider=pl.lit("simulate"), synthetic=pl.lit(True)), SentimentTruth(error_variances)
