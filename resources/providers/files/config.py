"""The description of a folder of files, ``gnosis.yaml``: which file holds which table, and under which names.

::

    root: /home/me/market-data        # where the files are; default: the folder of gnosis.yaml
    first_session: 2016-08-22         # optional; default: first and last session of the first table
    last_session: 2019-07-22
    tables:
      raw.equity_bars:                # a table has one source or several
        - path: bars/*.parquet        # file or pattern below root; {session:%Y%m%d} stands for a date
          format: parquet             # parquet, csv or quotedata; csv may be gzipped
          columns: {session: date, symbol: ticker, open: o, high: h, low: l, close: c, volume: v}   # ours: theirs
          constants: {adjustment_factor: 1.0}
          keep: {ticker: [SPY, IWM]}  # only rows with these values; others belong to other sources

Further keys of a source: ``date_format``, ``values``, ``scale``, ``adjustment``, ``quote_time``, ``chain_rules``,
``known_at``, ``underlying``, ``delay_minutes`` and ``reject``, each documented at :class:`SourceSpec`. Unknown keys are
errors.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gnosis.tables import TABLES
from resources.providers.errors import FolderConfigError, MissingFileError, MissingFolderError

Served = Literal["raw.equity_bars", "raw.index_levels", "raw.option_quotes", "raw.macro", "raw.dividends"]
DERIVED = frozenset({"ts", "known_at", "provider", "synthetic", "oi_session", "is_vintage"})
"""Columns that the provider fills in by rule unless a source gives them."""

Scalar = bool | int | float | str | dt.date


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AtClose(_Strict):
    """Known at the close of its session. Default of bars and index levels."""

    rule: Literal["session_close"] = "session_close"


class NextMorning(_Strict):
    """Known at 09:00 New York of the next session."""

    rule: Literal["next_morning"]


class AfterQuote(_Strict):
    """Known ``delay_minutes`` after the quote time. Default of option quotes, without delay."""

    rule: Literal["after_quote"] = "after_quote"
    delay_minutes: float = Field(default=0.0, ge=0)


class ReleaseLag(_Strict):
    """Known at 09:00 New York of the first session that is at least so many calendar days after ``ref_date``.

    A fixed lag stands in for a publication date that the file does not have, so ``is_vintage`` is false. Only the
    series listed here are served.
    """

    rule: Literal["release_lag"]
    days: dict[str, int] = Field(min_length=1)

    @field_validator("days")
    @classmethod
    def _positive(cls, days: dict[str, int]) -> dict[str, int]:
        wrong = {series: lag for series, lag in days.items() if lag < 1}
        if wrong:
            raise ValueError(f"expected lags of at least 1 day, found {wrong}")
        return days


class FromColumn(_Strict):
    """Known at the instant in a column of the file; ``zone`` is needed when the instants carry none."""

    rule: Literal["column"]
    column: str
    zone: str | None = None


KnownAt = Annotated[AtClose | NextMorning | AfterQuote | ReleaseLag | FromColumn, Field(discriminator="rule")]


class QuoteTime(_Strict):
    """Wall-clock time in New York of the quotes of each session; later than the close counts as the close.

    With ``close_if_spot_is_close`` a chain whose spot is the close of the session's bar, to the cent, counts as quoted
    at the close: its file was made after it. ``exceptions`` names sessions with another time.
    """

    time: dt.time
    close_if_spot_is_close: bool = False
    exceptions: dict[dt.date, dt.time] = {}

    @field_validator("time", "exceptions", mode="before")
    @classmethod
    def _quoted(cls, value: Any) -> Any:
        times = value.values() if isinstance(value, dict) else [value]
        if not all(isinstance(time, str) for time in times):
            # YAML reads an unquoted 15:45 as the number 945.
            raise ValueError(f'expected a time in quotes, such as "15:45", found {value!r}')
        return value


class Adjustment(_Strict):
    """File of backward adjustment factors: each row holds the factor of the bars up to and including its date.

    The first date of a symbol is its first trading date: earlier bars belong to another company that had the same
    ticker and are rejected as ``before_listing``. The factor written is forward-anchored: 1 at the symbol's first bar.
    """

    path: str
    symbol: str
    last_date: str
    date_format: str | None = None
    factors: list[str] = Field(min_length=1)


class ChainRules(_Strict):
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


class Reject(_Strict):
    """A session whose rows are known to be wrong, with the name of the reason."""

    session: dt.date
    rule: str = Field(min_length=1)


class SourceSpec(_Strict):
    """One file, or many of the same layout.

    Attributes
    ----------
    path
        File or glob pattern below ``root``. With ``{session}`` or ``{session:%Y%m%d}`` only the files of the wanted
        days are opened.
    format
        ``parquet``, ``csv`` or ``quotedata`` (Cboe's download, whose columns need no mapping).
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
    keep
        Their column: the values wanted.
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
    format: Literal["parquet", "csv", "quotedata"]
    columns: dict[str, str] = {}
    constants: dict[str, Scalar] = {}
    values: dict[str, dict[str, Scalar]] = {}
    scale: dict[str, float] = {}
    date_format: str | None = None
    keep: dict[str, list[str]] = {}
    adjustment: Adjustment | None = None
    quote_time: QuoteTime | None = None
    chain_rules: ChainRules | None = None
    known_at: KnownAt | None = None
    underlying: str | None = None
    delay_minutes: float = Field(default=15.0, ge=0)
    reject: list[Reject] = []

    @property
    def needs_bars(self) -> bool:
        """True when a rule holds chains against the bars of their sessions."""
        return bool(self.quote_time and self.quote_time.close_if_spot_is_close) or (
            self.chain_rules is not None and self.chain_rules.spot_within_bar is not None
        )


class FolderSpec(_Strict):
    """The whole ``gnosis.yaml``."""

    root: Path | None = None
    first_session: dt.date | None = None
    last_session: dt.date | None = None
    tables: dict[Served, Annotated[list[SourceSpec], Field(min_length=1)]] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> FolderSpec:
        for table, sources in self.tables.items():
            for position, source in enumerate(sources):
                problem = _problem(table, source)
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


def _problem(table: str, source: SourceSpec) -> str | None:
    if source.format == "quotedata":
        given = source.model_fields_set - {"path", "format", "underlying", "delay_minutes", "chain_rules", "reject"}
        if table != "raw.option_quotes" or given:
            return f"expected format quotedata for raw.option_quotes and without {sorted(given)}; remove them"
        return None
    schema = TABLES[table].schema.columns()
    stated = set(source.columns) | set(source.constants)
    named = stated | set(source.values) | set(source.scale)
    if unknown := sorted(named - set(schema)):
        return f"expected columns of the table {sorted(schema)}, found {unknown}; correct the names"
    if both := sorted(set(source.columns) & set(source.constants)):
        return f"expected each column in either columns or constants, found {both} in both; remove one"
    given = set(stated)
    if source.adjustment:
        given.add("adjustment_factor")
    if table == "raw.macro":
        given.add("session")
    if missing := [c for c, d in schema.items() if not d.nullable and c not in DERIVED and c not in given]:
        return (
            f"expected a source of every column that may not be missing, found none of {missing}; add them to columns"
        )
    for column, value in source.constants.items():
        try:
            pl.Series([value]).cast(schema[column].dtype)
        except (pl.exceptions.PolarsError, TypeError):
            return f"expected constants.{column} to be {schema[column].dtype}, found {value!r}; correct it"
    return _problem_of_time(table, source)


def _problem_of_time(table: str, source: SourceSpec) -> str | None:
    rules: dict[str, tuple[type[_Strict], ...]] = {
        "raw.equity_bars": (AtClose, NextMorning, FromColumn),
        "raw.index_levels": (AtClose, NextMorning, FromColumn),
        "raw.option_quotes": (AfterQuote, NextMorning, FromColumn),
        "raw.macro": (ReleaseLag, FromColumn),
        "raw.dividends": (AtClose, NextMorning, FromColumn),
    }
    if source.known_at is not None and not isinstance(source.known_at, rules[table]):
        return f"known_at rule {source.known_at.rule!r} does not apply to {table}; choose another"
    if table == "raw.macro" and source.known_at is None:
        return "expected known_at with rule release_lag or column, found none; macro values are published late"
    if table == "raw.option_quotes" and ("ts" in source.columns) == (source.quote_time is not None):
        return "expected the quote instant from either columns.ts or quote_time, found both or neither"
    if source.quote_time and table != "raw.option_quotes":
        return "quote_time applies to raw.option_quotes only; remove it"
    if source.chain_rules and table != "raw.option_quotes":
        return "chain_rules apply to raw.option_quotes only; remove them"
    if source.adjustment and table != "raw.equity_bars":
        return "adjustment applies to raw.equity_bars only; remove it"
    return None


def _told(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "the file"
    if problem["type"] == "extra_forbidden":
        return f"{place}: expected no such key; correct its name or remove it"
    message = problem["msg"].removeprefix("Value error, ")
    found = "" if problem["type"] in {"missing", "value_error"} else f", found {problem['input']!r}"
    return f"{place}: {message}{found}"
