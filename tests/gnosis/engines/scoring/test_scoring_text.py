"""One form for all copies of a text."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnosis.engines.scoring import normalise, text_hash


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Profit\u00a0ROSE \n 5 %", "profit rose 5 %"),
        ("up https://t.co/Abc?x=1 now", "up now"),
        ("see www.example.com/a, $AAPL", "see $aapl"),
        ("pic.twitter.com/xYz $TSLA", "$tsla"),
        ("@Trader_1: long", "@: long"),
        ("mail me@example.com", "mail me@example.com"),
        ("\uff30rofit \ufb01ne", "profit fine"),
        ("A\u200bB \u201cC\u201d it\u2019s 5\u20137", 'ab "c" it\'s 5-7'),
        ("R&amp;D &lt;5", "r&d <5"),
        ("https://t.co/a", ""),
        ("", ""),
    ],
)
def test_the_form_of_a_text(text, expected):
    assert normalise(text) == expected


def test_the_hash_is_the_sha256_of_the_form():
    assert text_hash("Sales  UP https://t.co/1") == hashlib.sha256(b"sales up").hexdigest()


def test_the_symbol_that_a_text_is_about_tells_it_from_another():
    assert text_hash("$AAPL up") != text_hash("$MSFT up")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_white_space_around_and_addresses_after_change_nothing(text):
    assert normalise(f"  {text} \n") == normalise(text)
    assert normalise(f"{text} https://t.co/abc") == normalise(text)
    assert len(text_hash(text)) == 64
