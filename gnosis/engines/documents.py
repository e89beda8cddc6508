"""Posts and news with their scores as arrays, and what every point may count of them.

A document counts once, with the instant at which it was known first. All rules look back only: whether a document is a
repeat, and from when on stronger posts of its author displace it, never depends on what becomes known later.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from gnosis.engines.document_rows import document_rows
from gnosis.engines.document_weights import STREAMS, DocumentParameters
from gnosis.engines.points import Floats, Integers, Points
from gnosis.options.origin import require_table
from gnosis.sessions import schedule
from gnosis.tables import TABLES

DAY_US = 86_400_000_000
MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class Window:
    """What each point counts of one stream of documents; arrays of one element per point.

    Attributes
    ----------
    n_documents, mass, model_mass
        Scored documents up to ten half-lives old; sums of confidence x decay over all, and over the model's.
    weight, weighted_score, weighted_square
        Sums of u, u s and u s^2, u = confidence x engagement weight x decay.
    count_24h, bullish_24h, bearish_24h, outlets_24h
        Documents of 24 hours, scored or not, of these tagged; their different outlets.
    author_square
        Sum over authors of their squared weight.
    wsb_posts, wsb_weight, wsb_score
        Scored posts of 24 hours in r/wallstreetbets, sums of 1 + ln(1 + upvotes), and of it times s.
    newest_known_at
        Instant at which the newest of the scored documents was known as it is, with its score; microseconds since 1970.
    """

    n_documents: Floats
    mass: Floats
    model_mass: Floats
    weight: Floats
    weighted_score: Floats
    weighted_square: Floats
    count_24h: Floats
    bullish_24h: Floats
    bearish_24h: Floats
    outlets_24h: Floats
    author_square: Floats
    wsb_posts: Floats
    wsb_weight: Floats
    wsb_score: Floats
    newest_known_at: Floats

    @cached_property
    def mean(self) -> Floats:
        """Mean score, NaN without weight."""
        return self.weighted_score / np.where(self.weight > 0, self.weight, np.nan)

    @cached_property
    def dispersion(self) -> Floats:
        """Weighted standard deviation of the scores, NaN without weight."""
        square = self.weighted_square / np.where(self.weight > 0, self.weight, np.nan)
        return np.sqrt(np.maximum(square - self.mean**2, 0.0))


class Documents:
    """Documents of all streams after de-duplication, and what each point counts of them.

    A point reads texts up to its cut-off or the close of its session, whichever is earlier, and ages count to then:
    what becomes known later belongs to a later session, and a row whose bar came late must not depend on how much of
    that is at hand. Nor is a text read before the close that precedes the session it belongs to.

    Equal texts within ten half-lives, and similar ones within 48 hours, are one document: the first. Of several
    versions of a document, with a changed engagement or a new score, the one known last counts, its age from the first.
    Of one author and symbol the three strongest posts of a day count; the day is not a sliding one, it ends at 16:00 in
    New York: with a sliding day one post less could let two others in, and raise a confidence.

    Parameters
    ----------
    points
        Symbols and instants wanted.
    posts, news, scores
        Rows of ``raw.posts``, ``raw.news`` and ``engines.document_scores`` in any order, from 20 half-lives before the
        first point (earnings: 400 sessions and 200 days); None: none. Texts may be null: then only an equal
        ``text_hash`` makes two documents one. A document without a score says nothing; it counts among the posts of
        24 hours.
    parameters
        Rules.

    Attributes
    ----------
    rows
        Versions of documents as arrays.
    read_until
        Instant up to which each point reads texts, microseconds since 1970.

    Raises
    ------
    ValueError
        When a column is missing or of another dtype.

    Examples
    --------
    >>> import datetime as dt
    >>> from gnosis.simulate.posts import social_posts
    >>> posts = social_posts(["AAA"], [dt.date(2012, 1, 3)], seed=7)[0].with_columns(text=pl.lit(None, pl.String))
    >>> schema = TABLES["raw.posts"].polars_schema
    >>> close = dt.datetime(2012, 1, 3, 21, tzinfo=dt.UTC)
    >>> points = Points.of(pl.DataFrame({"symbol": ["AAA"], "session": [close.date()], "as_of": [close]}))
    >>> window = Documents(points, posts.select(list(schema)).cast(schema), None, None).window("stocktwits")
    >>> window.n_documents.item(), window.count_24h.item()
    (9.0, 10.0)
    """

    def __init__(
        self,
        points: Points,
        posts: pl.DataFrame | None,
        news: pl.DataFrame | None,
        scores: pl.DataFrame | None,
        parameters: DocumentParameters | None = None,
    ) -> None:
        self.points = points
        self.parameters = parameters or DocumentParameters()
        calendar = schedule().select("session", "close_at", since=pl.col("close_at").shift(1) + MICROSECOND)
        closes = calendar["close_at"].dt.epoch("us").to_numpy()[points.position]
        self.read_until: Integers = np.minimum(points.as_of, closes)
        last = points.frame["as_of"].max()

        def seen(frame: pl.DataFrame | None, table: str) -> pl.DataFrame:
            if frame is None or last is None:
                return TABLES[table].empty().with_columns(readable_at="known_at")
            require_table(frame, table)
            rows = frame.filter(pl.col("known_at") <= last)
            since = rows.select("session").join(calendar, on="session", how="left", maintain_order="left")["since"]
            return rows.with_columns(readable_at=pl.max_horizontal("known_at", since))

        self.rows = document_rows(
            points.symbols,
            seen(posts, "raw.posts"),
            seen(news, "raw.news"),
            seen(scores, "engines.document_scores"),
            self.parameters,
        )

    def window(self, stream: str) -> Window:
        """Return what each point counts of a stream."""
        from gnosis.engines import documents_kernel

        rows = self.rows
        bucket = rows.buckets(stream, self.points.symbols)[self.points.symbol]
        sums = documents_kernel.windows(
            self.read_until,
            np.ascontiguousarray(bucket),
            rows.bucket_starts,
            rows.instants,
            rows.floats,
            rows.codes,
            rows.sizes,
            self.parameters.half_life_us(stream),
            self.parameters.longest_age_us(stream),
        )
        return Window(*np.ascontiguousarray(sums.T))

    def mentions_24h(self, stream: str) -> Floats:
        """Return how many documents of a stream, whatever their symbol, are at most 24 hours old at each point."""
        rows = self.rows
        starts, end = rows.bucket_starts, len(rows.symbols)
        first = STREAMS.index(stream) * end
        part = slice(starts[first], starts[first + end])
        visible_from, visible_until, birth = rows.instants[:, part]
        until = np.minimum(visible_until, birth + DAY_US + 1)
        lasting = until > visible_from
        begun = np.searchsorted(np.sort(visible_from[lasting]), self.read_until, side="right")
        ended = np.searchsorted(np.sort(until[lasting]), self.read_until, side="right")
        return (begun - ended).astype(np.float64)
