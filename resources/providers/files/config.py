"""The description of a folder of files, ``gnosis.yaml``: which file holds which table, and under which names.

::

    root: /home/me/market-data        # where the files are; default: the folder of gnosis.yaml
    first_session: 2016-08-22         # optional; default: first and last session of the first table
    last_session: 2019-07-22
    tables:
      raw.equity_bars:                # a table has one source or several
        - path: bars/*.parquet        # file or pattern below root; {session:%Y%m%d} stands for a date
          format: parquet             # parquet, csv, quotedata, lobster, cryptofeed or tardis_snapshot; may be gzipped
          columns: {session: date, symbol: ticker, open: o, high: h, low: l, close: c, volume: v}   # ours: theirs
          constants: {adjustment_factor: 1.0}
          keep: {ticker: [SPY, IWM]}  # only rows with these values; others belong to other sources

Further keys of a source: ``separator``, ``date_format``, ``zone``, ``epoch``, ``values``, ``scale``, ``sum_over``,
``adjustment``, ``quote_time``, ``chain_rules``, ``bar_stamp``, ``book``, ``known_at``, ``underlying``,
``delay_minutes`` and ``reject``, each documented at :class:`SourceSpec`. Unknown keys are errors.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from resources.providers.errors import FolderConfigError, MissingFileError, MissingFolderError
from resources.providers.files.known_at import KnownAt, Strict, quoted_time

Served = Literal[
    "raw.equity_bars",
    "raw.index_levels",
    "raw.option_quotes",
    "raw.macro",
    "raw.dividends",
    "raw.intraday_bars",
    "raw.order_books",
    "raw.trades",
    "raw.short_volume",
    "raw.dix",
    "raw.posts",
    "raw.news",
]
Scalar = bool | int | float | str | dt.date


class QuoteTime(Strict):
    """Wall-clock time in New York of the quotes of each session; later than the close counts as the close.

    With ``close_if_spot_is_close`` a chain whose spot is the close of the session's bar, to the cent, counts as quoted
    at the close: its file was made after it. ``exceptions`` names sessions with another time.
    """

    time: dt.time
    close_if_spot_is_close: bool = False
    exceptions: dict[dt.date, dt.time] = Field(default_factory=dict)

    @field_validator("time", "exceptions", mode="before")
    @classmethod
    def _quoted(cls, value: Any) -> Any:
        return quoted_time(value)


class Adjustment(Strict):
    """File of backward adjustment factors: each row holds the factor of the bars up to and including its date.

    The first date of a symbol is its first trading date: earlier bars belong to another company that had the same
    ticker and are rejected as ``before_listing``. The factor written is forward-anchored: 1 at the symbol's first bar.
    """

    path: str
    symbol: str
    last_date: str
    date_format: str | None = None
    factors: list[str] = Field(min_length=1)


class ChainRules(Strict):
    """What a chain must say of itself, or it is set aside under the name of the rule.

    Attributes
    ----------
    spot_within_bar
        The spot lies between low and high of the session's bar, widened by this ratio: it belongs to that session, and
        to the units of that session when the stock was split. ``spot|outside_bar``, or ``spot|no_bar`` without a bar.
    volume_of_open_interest_min
        Contracts traded are at least this share of the open interest. Less means that the chain was quoted early in
        the session, nobody knows when: ``quote_instant_unknown|volume``.
    variance_left_max
        The contracts that settle on the day itself expect at most this share of a session's variance, see
        :func:`resources.providers.files.chain_rules.variance_left`. More means that the chain was quoted long before
        the end of the session: ``quote_instant_unknown|variance_left``. Chains without such contracts pass.
    """

    spot_within_bar: float | None = Field(default=None, ge=0, lt=1)
    volume_of_open_interest_min: float | None = Field(default=None, gt=0)
    variance_left_max: float | None = Field(default=None, gt=0)


class BookRules(Strict):
    """How the messages or states of an order book become snapshots (lobster, cryptofeed and tardis_snapshot only).

    Attributes
    ----------
    levels
        Best levels per side to keep.
    interval_seconds
        A snapshot at every full interval of UTC: the book as it was known then. Null for one at every state.
    stale_after_seconds
        No snapshot at an interval before which the file was silent for longer.
    symbols
        Their instrument: our symbol; others are left out. Empty for all, under their own names.
    """

    levels: int = Field(default=10, ge=1)
    interval_seconds: float | None = Field(default=60.0, gt=0)
    stale_after_seconds: float = Field(default=60.0, ge=0)
    symbols: dict[str, str] = Field(default_factory=dict)


class Reject(Strict):
    """A session whose rows are known to be wrong, with the name of the reason."""

    session: dt.date
    rule: str = Field(min_length=1)


class SourceSpec(Strict):
    """One file, or many of the same layout.

    Attributes
    ----------
    path
        File or glob pattern below ``root``. With ``{session}`` or ``{session:%Y%m%d}`` only the files of the wanted
        days are opened.
    format
        ``parquet`` or ``csv``; without mapping ``quotedata`` (Cboe's download of chains), and for order books
        ``lobster`` (the file of books, its file of messages beside it), ``cryptofeed`` (raw messages of Coinbase level2
        or Kraken book) and ``tardis_snapshot``.
    separator
        Character between the columns of a CSV file.
    columns
        Our column: their column. Unmapped nullable columns are null.
    constants
        Our column: the same value in every row.
    values
        Our column: translation of their values, e.g. ``settlement: {SPX: am, SPXW: pm}``.
    scale
        Our column: factor from their unit to ours, e.g. 0.01 for percent.
    date_format
        strftime pattern of dates written as text; ISO by default.
    zone
        Time zone of instants that carry none, such as America/New_York.
    epoch
        Unit of instants written as numbers since 1970 UTC: s, ms, us or ns.
    keep
        Their column: the values wanted.
    sum_over
        Their columns that tell the parts of a figure apart, such as the reporting facilities of short volume; the parts
        are added up.
    bar_stamp
        Whether ``ts`` of a bar within the day is its ``end`` or its ``start``.
    book
        How an order book becomes snapshots.
    adjustment
        File of adjustment factors (bars only).
    quote_time
        Time of the quotes, when the file gives only the date (option quotes only).
    chain_rules
        What a chain must say of itself to be believed (option quotes only).
    known_at
        Rule for ``known_at``.
    underlying, delay_minutes
        Symbol of the underlying and age of the quotes in quotedata downloads.
    reject
        Sessions to set aside with a reason.
    """

    path: str
    format: Literal["parquet", "csv", "quotedata", "lobster", "cryptofeed", "tardis_snapshot"]
    separator: str = Field(default=",", min_length=1, max_length=1)
    columns: dict[str, str] = Field(default_factory=dict)
    constants: dict[str, Scalar] = Field(default_factory=dict)
    values: dict[str, dict[str, Scalar]] = Field(default_factory=dict)
    scale: dict[str, float] = Field(default_factory=dict)
    date_format: str | None = None
    zone: str | None = None
    epoch: Literal["s", "ms", "us", "ns"] | None = None
    keep: dict[str, list[str]] = Field(default_factory=dict)
    sum_over: list[str] = Field(default_factory=list)
    bar_stamp: Literal["start", "end"] = "end"
    book: BookRules | None = None
    adjustment: Adjustment | None = None
    quote_time: QuoteTime | None = None
    chain_rules: ChainRules | None = None
    known_at: KnownAt | None = None
    underlying: str | None = None
    delay_minutes: float = Field(default=15.0, ge=0)
    reject: list[Reject] = Field(default_factory=list)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in zoneinfo.available_timezones():
            raise ValueError(f"expected a time zone such as America/New_York, found {zone!r}")
        return zone

    @property
    def needs_bars(self) -> bool:
        """True when a rule holds chains against the bars of their sessions."""
        return bool(self.quote_time and self.quote_time.close_if_spot_is_close) or (
            self.chain_rules is not None and self.chain_rules.spot_within_bar is not None
        )


class FolderSpec(Strict):
    """The whole ``gnosis.yaml``."""

    root: Path | None = None
    first_session: dt.date | None = None
    last_session: dt.date | None = None
    tables: dict[Served, Annotated[list[SourceSpec], Field(min_length=1)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> FolderSpec:
        from resources.providers.files.consistency import contradiction

        for table, sources in self.tables.items():
            for position, source in enumerate(sources):
                problem = contradiction(table, source)
                if source.needs_bars and "raw.equity_bars" not in self.tables:
                    problem = "expected raw.equity_bars, whose bars the rules of the chain need, found none; add them"
                if problem:
                    raise ValueError(f"tables.{table}.{position}: {problem}")
        return self


def load_config(file: Path) -> FolderSpec:
    """Return the validated description of a folder, with an absolute ``root``.

    Raises
    ------
    MissingFolderError
        When the folder of the file, or ``root``, does not exist.
    MissingFileError
        When there is no ``gnosis.yaml``.
    FolderConfigError
        When it is not YAML, or has unknown, missing or contradictory keys; every problem is named with its place.
    """
    if not file.parent.is_dir():
        raise MissingFolderError(file.parent)
    if not file.is_file():
        raise MissingFileError(file.name, file.parent, "describe the files there, see docs/examples/real_spx.yaml")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FolderConfigError(file, [f"expected YAML, found {' '.join(str(error).split())}; correct it"]) from error
    try:
        spec = FolderSpec.model_validate(content)
    except ValidationError as error:
        raise FolderConfigError(file, [_told(problem) for problem in error.errors()]) from error
    root = (file.parent / (spec.root or Path())).resolve()
    if not root.is_dir():
        raise MissingFolderError(root)
    return spec.model_copy(update={"root": root})


def _told(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "the file"
    if problem["type"] == "extra_forbidden":
        return f"{place}: expected no such key; correct its name or remove it"
    message = problem["msg"].removeprefix("Value error, ")
    found = "" if problem["type"] in {"missing", "value_error"} else f", found {problem['input']!r}"
    return f"{place}: {message}{found}"
