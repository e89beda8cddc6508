"""Replies: what a service asks for in ``Retry-After``, and no key in what is said of a body."""

from __future__ import annotations

import httpx
import pytest

from resources.providers.live.access import Access
from resources.providers.live.errors import SchemaDrift
from resources.providers.live.http import Http, retry_after
from tests.resources.providers.live.scripted import NOW


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0.0),
        ("86400", 86_400.0),
        ("86401", None),
        ("1795000000", None),
        ("9" * 400, None),
        ("Fri, 28 Dec 2012 23:31:00 GMT", 60.0),
        ("Fri, 28 Dec 2012 23:31:00", 60.0),
        ("Fri, 28 Dec 2012 23:31:00 -0000", 60.0),
        ("Fri, 28 Dec 2012 22:00:00 GMT", 0.0),
        ("Fri, 28 Dec 2083 22:00:00 GMT", None),
        ("Fri, 28 Dec 99999 22:00:00 GMT", None),
        ("Fri, 28 Dec 2012 23:31:00 +9999999999999", None),
        ("nan", None),
        ("", None),
        (None, None),
    ],
)
def test_seconds_and_dates_within_a_day_are_taken(said, seconds):
    assert retry_after(said, NOW) == seconds


def test_a_body_that_repeats_the_key_is_shown_without_it():
    key = "k3y-that-must-not-be-told-and-is-longer-than-what-is-shown"
    http = Http(Access("example", keys={"EXAMPLE_KEY": key}), "https://example.test")
    http._client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, text=f"<p>{key}</p>")))
    with pytest.raises(SchemaDrift, match=r"starting b'<p>\*\*\*</p>'"):
        http.get("/bars", "bars").json("bars")
    http._client.close()
