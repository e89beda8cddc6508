"""The categories of Loughran & McDonald (2011) from the user's own copy: its licence does not let us ship it."""

from __future__ import annotations

import csv
from pathlib import Path

from gnosis.engines.scoring import LexiconScorer
from resources.scorers.errors import ScorerError

COLUMNS = ("Word", "Negative", "Positive")


def load_loughran_mcdonald(path: Path | str) -> LexiconScorer:
    """Return the lexicon scorer with the positive and negative words of a master dictionary beside our own.

    Parameters
    ----------
    path
        CSV in UTF-8 with the columns ``Word``, ``Negative`` and ``Positive``. The last two hold the year in which the
        word was put in the category: 0 for never, negative for the year in which it was taken out.

    Raises
    ------
    ScorerError
        When there is no such file, it is not in UTF-8, a column is missing, a line has no word or a year that is no
        number, or no word is in either category.
    """
    path = Path(path)
    if not path.is_file():
        raise ScorerError(
            f"word lists: expected a file at {path}, found none; put the master dictionary there or unset the path"
        )
    words: dict[str, list[str]] = {"Positive": [], "Negative": []}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            _read(path, csv.DictReader(lines), words)
    except UnicodeDecodeError as error:
        raise ScorerError(f"{path}: expected text in UTF-8, found: {error}; save the dictionary in UTF-8") from error
    except csv.Error as error:
        raise ScorerError(f"{path}: expected CSV, found: {error}; save the dictionary as CSV") from error
    if not any(words.values()):
        raise ScorerError(
            f"{path}: expected words with a year in 'Positive' or 'Negative', found none; check that it is the master "
            "dictionary and not an extract of another category"
        )
    return LexiconScorer(positive=words["Positive"], negative=words["Negative"])


def _read(path: Path, table: csv.DictReader[str], words: dict[str, list[str]]) -> None:
    """Add the words of a table to those of their categories."""
    if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
        raise ScorerError(
            f"{path}: expected the columns {', '.join(COLUMNS)} of the master dictionary, found none called "
            f"{', '.join(missing)}; save the dictionary as CSV with its own heading"
        )
    for row in table:
        for category, found in words.items():
            if _year(path, table.line_num, category, row[category]) > 0:
                if not (word := (row["Word"] or "").strip()):
                    raise ScorerError(
                        f"{path}, line {table.line_num}: expected a word in 'Word', found none; correct the line"
                    )
                found.append(word)


def _year(path: Path, line: int, category: str, found: str | None) -> float:
    try:
        return float(found or 0)
    except ValueError as error:
        raise ScorerError(
            f"{path}, line {line}: expected a year or 0 in {category!r}, found {found!r}; correct the line"
        ) from error
