"""Bars of minutes decide which barrier a session that touched both met first."""

from __future__ import annotations

import numpy as np
import polars as pl

from gnosis.options.origin import require_table

MINUTES = {"1min": 1, "5min": 5}
"""Lengths of ``raw.intraday_bars`` by name, the finest first: it is asked first."""

MINUTE_US = 60_000_000
_SESSION = ["symbol", "session"]
_ANSWER = pl.Schema(
    {
        "row": pl.Int64(),
        "outcome": pl.Int8(),
        "exit_price": pl.Float64(),
        "known_at": pl.Datetime("us", "UTC"),
        "provider": pl.String(),
        "synthetic": pl.Boolean(),
    }
)


def decided_by_finer_bars(asked: pl.DataFrame, intraday: pl.DataFrame | None) -> pl.DataFrame:
    """Return the questions that bars of minutes answer: which barrier was met first, and at what price.

    The rules are those for daily bars (L-2.7). There is no answer where a bar between the open of the session and the
    touch is missing, where one bar of minutes touches both barriers too, and where none touches either, as the
    minutes then contradict the day. Bars of five minutes are asked where those of one do not answer.

    Parameters
    ----------
    asked
        ``row`` (Int64, names the question), ``symbol``, ``session``, ``open_at`` (of the session), ``upper`` and
        ``lower`` ($ adjusted) and ``adjustment_factor`` (of the session).
    intraday
        Rows of ``raw.intraday_bars`` in any order. None: nothing is answered.

    Returns
    -------
    polars.DataFrame
        Per answer ``row``, ``outcome`` (Int8, +1 or -1), ``exit_price`` ($ adjusted), and ``known_at``, ``provider``
        and ``synthetic`` of the bars of that session; sorted by ``row``.

    Raises
    ------
    ValueError
        When ``intraday`` lacks a column of its table or has one of another dtype.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.tables import TABLES
    >>> open_at = dt.datetime(2024, 1, 3, 14, 30, tzinfo=dt.UTC)
    >>> asked = pl.DataFrame({"row": [7], "symbol": "ABC", "session": [dt.date(2024, 1, 3)], "open_at": open_at,
    ...     "upper": 102.0, "lower": 98.0, "adjustment_factor": 1.0})
    >>> day = {"session": dt.date(2024, 1, 3), "symbol": "ABC", "frequency": "5min", "volume": 1.0,
    ...     "provider": "simulated", "synthetic": True, "open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0}
    >>> ends = [open_at + dt.timedelta(minutes=5 * step) for step in (1, 2)]
    >>> rows = [day | {"ts": ends[0], "known_at": ends[0]}, day | {"ts": ends[1], "known_at": ends[1], "low": 97.5}]
    >>> schema = TABLES["raw.intraday_bars"].polars_schema
    >>> decided_by_finer_bars(asked, pl.DataFrame(rows).select(list(schema)).cast(schema)).row(0)[:3]
    (7, -1, 98.0)
    """
    if intraday is None:
        return pl.DataFrame(schema=_ANSWER)
    require_table(intraday, "raw.intraday_bars")
    answers = pl.DataFrame(schema=_ANSWER)
    for frequency in MINUTES:
        open_questions = asked.join(answers, on="row", how="anti")
        answers = pl.concat([answers, _answers(open_questions, intraday, frequency)])
    return answers.sort("row")


def _answers(asked: pl.DataFrame, intraday: pl.DataFrame, frequency: str) -> pl.DataFrame:
    """Answers by the bars of one length."""
    from gnosis.learning.triple_barrier_kernel import first_touches_within

    wanted = intraday.filter(pl.col("frequency") == frequency).join(asked, on=_SESSION, how="semi")
    bars = wanted.sort(*_SESSION, "ts").with_row_index("position")
    sources = pl.col("provider").str.split("+").explode().unique().sort()
    by_session = bars.group_by(_SESSION).agg(
        start=pl.col("position").min().cast(pl.Int64),
        end=pl.col("position").max().cast(pl.Int64) + 1,
        known_at=pl.col("known_at").max(),
        provider=sources.str.join("+"),
        synthetic=pl.col("synthetic").any(),
    )
    questions = asked.join(by_session, on=_SESSION, how="inner").sort("row")
    length = MINUTES[frequency] * MINUTE_US
    outcome, price = first_touches_within(
        (bars["open"].to_numpy(), bars["high"].to_numpy(), bars["low"].to_numpy()),
        bars["ts"].dt.epoch("us").to_numpy(),
        questions["start"].to_numpy(),
        questions["end"].to_numpy(),
        questions["open_at"].dt.epoch("us").to_numpy() + length,
        length,
        questions["adjustment_factor"].to_numpy(),
        questions["upper"].to_numpy(),
        questions["lower"].to_numpy(),
    )
    told = questions.with_columns(outcome=pl.Series(outcome), exit_price=pl.Series(price))
    return told.filter(pl.Series(np.abs(outcome) == 1)).select(list(_ANSWER)).cast(_ANSWER)
