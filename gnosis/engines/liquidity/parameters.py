"""Settings of the liquidity engine; they are stored with every row."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class LiquidityParameters:
    """Settings of the liquidity engine.

    Attributes
    ----------
    y
        Y of the depth laws: an order of one average daily volume moves the price by Y sigma_d.
    snapshots_per_session
        Order book snapshots expected in a regular session of 390 minutes; proportionally fewer on an early close.
    book_levels
        Levels of each side that are expected and read into imbalances.
    least_depth_levels
        Levels, both sides together, that the slope of depth on distance needs.
    stale_minutes
        Minutes before the close beyond which the last snapshot is too old to be walked and for the microprice.
    depth_loss
        Share of the displayed depth whose loss within one snapshot counts as an event.
    least_depth_losses
        Events that the half-life of the depth needs.
    least_lambda_bars
        5-minute bars that the regression of price on flow needs.
    least_lambda_t
        t-statistic of the slope below which the linear law takes its place.
    volume_buckets
        Buckets of toxicity, each of them one such part of the average daily volume.

    Raises
    ------
    ValueError
        When a setting is outside its range.

    Examples
    --------
    >>> LiquidityParameters(snapshots_per_session=78).json()[:40]
    '{"book_levels": 10, "depth_loss": 0.3, "'
    """

    y: float = 1.0
    snapshots_per_session: int = 390
    book_levels: int = 10
    least_depth_levels: int = 5
    stale_minutes: int = 30
    depth_loss: float = 0.3
    least_depth_losses: int = 5
    least_lambda_bars: int = 200
    least_lambda_t: float = 2.0
    volume_buckets: int = 50

    def __post_init__(self) -> None:
        wrong = [name for name, value in asdict(self).items() if not value > 0]
        if wrong or self.depth_loss >= 1 or self.book_levels > 20:
            raise ValueError(
                f"expected positive settings, depth_loss below 1 and book_levels up to 20, found {self.json()}"
            )

    def json(self) -> str:
        """Return the settings as JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)
