"""gnosis.yaml: every mistake is named with its place, what was expected and what was found."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from resources.providers.errors import FolderConfigError, MissingFileError, MissingFolderError
from resources.providers.files.config import load_config

BARS = {
    "path": "bars.csv",
    "format": "csv",
    "columns": {"session": "date", "symbol": "ticker", "open": "o", "high": "h", "low": "l", "close": "c"},
    "constants": {"adjustment_factor": 1.0},
}
QUOTES = {
    "path": "chain.parquet",
    "format": "parquet",
    "columns": {name: name for name in ("session", "root", "expiry", "right", "strike", "settlement", "spot")},
    "constants": {"symbol": "AAA", "multiplier": 100.0, "style": "A"},
    "quote_time": {"time": "15:45"},
}
MACRO = {
    "path": "macro.csv",
    "format": "csv",
    "columns": {"series_id": "id", "ref_date": "date", "value": "value"},
    "known_at": {"rule": "release_lag", "days": {"DGS10": 1}},
}


def written(folder: Path, content: object) -> Path:
    file = folder / "gnosis.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def test_a_good_description_is_read(tmp_path):
    tables = {"raw.equity_bars": [BARS], "raw.option_quotes": [QUOTES], "raw.macro": [MACRO]}
    spec = load_config(written(tmp_path, {"first_session": "2013-01-02", "tables": tables}))
    assert spec.root == tmp_path.resolve()
    assert set(spec.tables) == set(tables)


def test_the_example_of_the_documentation_is_valid(tmp_path):
    example = Path(__file__).parents[3] / "docs" / "examples" / "real_spx.yaml"
    load_config(written(tmp_path, example.read_text().replace("PATH_OF_THE_DATA", str(tmp_path))))


@pytest.mark.parametrize(
    ("table", "source", "message"),
    [
        ("raw.equity_bars", BARS | {"colums": {}}, r"raw\.equity_bars\.0\.colums: expected no such key"),
        (
            "raw.equity_bars",
            BARS | {"format": "xlsx"},
            r"format: .*'parquet', 'csv', 'quotedata'.* or 'tardis_snapshot', found 'xlsx'",
        ),
        (
            "raw.equity_bars",
            BARS | {"columns": {"session": "date"}},
            r"none of \['symbol', 'open', 'high', 'low', 'close'\]; add",
        ),
        (
            "raw.equity_bars",
            BARS | {"columns": BARS["columns"] | {"cloze": "c"}},
            r"found \['cloze'\]; correct the names",
        ),
        (
            "raw.equity_bars",
            BARS | {"constants": {"adjustment_factor": "one"}},
            "constants.adjustment_factor to be Float",
        ),
        ("raw.equity_bars", BARS | {"constants": BARS["constants"] | {"close": 1.0}}, r"found \['close'\] in both"),
        ("raw.equity_bars", BARS | {"known_at": {"rule": "release_lag", "days": {"A": 1}}}, "does not apply to"),
        ("raw.equity_bars", BARS | {"known_at": {"rule": "soon"}}, "known_at: .*'session_close'.*found"),
        ("raw.equity_bars", BARS | {"quote_time": {"time": "15:45"}}, "quote_time applies to raw.option_quotes only"),
        ("raw.equity_bars", BARS | {"chain_rules": {}}, "chain_rules apply to raw.option_quotes only"),
        ("raw.option_quotes", QUOTES | {"chain_rules": {"variance_left_max": 0}}, "variance_left_max: .* found 0"),
        ("raw.equity_bars", {"path": "x", "format": "quotedata"}, "expected format quotedata for raw.option_quotes"),
        ("raw.option_quotes", QUOTES | {"quote_time": {"time": 945}}, r'in quotes, such as "15:45", found 945'),
        ("raw.option_quotes", {k: v for k, v in QUOTES.items() if k != "quote_time"}, "found both or neither"),
        ("raw.macro", {k: v for k, v in MACRO.items() if k != "known_at"}, "macro values are published late"),
        (
            "raw.macro",
            MACRO | {"known_at": {"rule": "release_lag", "days": {"A": 0}}},
            r"at least 1 day, found \{'A': 0\}",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, table, source, message):
    with pytest.raises(FolderConfigError, match=message):
        load_config(written(tmp_path, {"tables": {table: [source]}}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tables: [", "expected YAML, found"),
        ({"tables": {"raw.rumours": [BARS]}}, r"tables\.raw\.rumours.*'raw\.equity_bars'"),
        ({"tables": {}}, "tables: .*at least 1"),
        ({"tables": {"raw.equity_bars": []}}, "at least 1"),
        ({"table": {}}, "table: expected no such key"),
        ("", "valid dictionary"),
    ],
)
def test_mistakes_of_the_whole_file_are_named(tmp_path, content, message):
    with pytest.raises(FolderConfigError, match=message):
        load_config(written(tmp_path, content))


def test_every_mistake_is_told_at_once(tmp_path):
    with pytest.raises(FolderConfigError) as caught:
        load_config(written(tmp_path, {"tabels": {}, "first_session": "soon", "tables": {"raw.macro": [MACRO]}}))
    assert len(caught.value.problems) == 2


def test_a_missing_folder(tmp_path):
    with pytest.raises(MissingFolderError, match=r"expected a folder at .*nowhere, found none; create it"):
        load_config(tmp_path / "nowhere" / "gnosis.yaml")


def test_a_missing_root(tmp_path):
    with pytest.raises(MissingFolderError, match="elsewhere"):
        load_config(written(tmp_path, {"root": "elsewhere", "tables": {"raw.macro": [MACRO]}}))


def test_a_missing_description(tmp_path):
    with pytest.raises(MissingFileError, match=r"expected at least one file 'gnosis\.yaml'"):
        load_config(tmp_path / "gnosis.yaml")
