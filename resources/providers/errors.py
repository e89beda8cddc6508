"""What can go wrong with a provider. Every message says what was expected, what was found and what to do.

All of these are permanent: asking again without a change gives the same answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable
    from pathlib import Path


class ProviderError(Exception):
    """Root of all errors that a provider raises."""


class UnknownTableError(ProviderError):
    """The provider does not serve this table."""

    def __init__(self, provider: str, table: str, known: Iterable[str]) -> None:
        self.table = table
        super().__init__(
            f"provider {provider}: expected one of the tables {_listed(known)}, found {table!r}; "
            "ask for one of them or choose a provider that has it"
        )


class UnknownSymbolError(ProviderError):
    """The provider has no data of this symbol."""

    def __init__(self, provider: str, symbols: Iterable[str], known: Iterable[str]) -> None:
        self.symbols = tuple(symbols)
        super().__init__(
            f"provider {provider}: expected symbols among {_listed(known)}, found {_listed(self.symbols)}; "
            "correct the spelling or remove the symbol"
        )


class SessionNotCoveredError(ProviderError):
    """A session lies outside the range that the provider has."""

    def __init__(self, provider: str, table: str, session: dt.date, first: dt.date, last: dt.date) -> None:
        self.session, self.first, self.last = session, first, last
        super().__init__(
            f"provider {provider}: expected sessions of {table} from {first} to {last}, found {session}; "
            "choose sessions in this range or another provider"
        )


class MissingFolderError(ProviderError):
    """The folder of the user's files does not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"expected a folder at {folder}, found none; create it or correct the path in the settings")


class MissingFileError(ProviderError):
    """A file that the provider needs does not exist."""

    def __init__(self, pattern: str, folder: Path, advice: str) -> None:
        self.pattern, self.folder = pattern, folder
        super().__init__(f"expected at least one file {pattern!r} in {folder}, found none; {advice}")


class FolderConfigError(ProviderError):
    """The description of a folder, ``gnosis.yaml``, does not make sense."""

    def __init__(self, file: Path, problems: Iterable[str]) -> None:
        self.file, self.problems = file, tuple(problems)
        super().__init__(f"{file}: " + "; ".join(self.problems))


class UnreadableFileError(ProviderError):
    """A file is damaged, truncated or not of the stated format."""

    def __init__(self, file: Path, expected: str, found: str) -> None:
        self.file = file
        super().__init__(f"{file}: expected {expected}, found {found}; fetch the file again or correct its format")


class MissingColumnError(ProviderError):
    """A file lacks a column that its description names."""

    def __init__(self, file: Path, missing: Iterable[str], found: Iterable[str]) -> None:
        self.file, self.missing = file, tuple(missing)
        super().__init__(
            f"{file}: expected the columns {_listed(self.missing)}, found {_listed(found)}; "
            "correct 'columns' in gnosis.yaml"
        )


class WrongTypeError(ProviderError):
    """A column of a file has another type than its table demands."""

    def __init__(self, file: Path, column: str, expected: str, found: str) -> None:
        self.file, self.column = file, column
        super().__init__(
            f"{file}: expected column {column!r} to hold {expected}, found {found}; "
            "correct the file, or 'columns' or 'date_format' in gnosis.yaml"
        )


def _listed(words: Iterable[str]) -> str:
    return "(" + ", ".join(str(word) for word in words) + ")"
