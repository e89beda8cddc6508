"""Alpha Vantage as the loopback server plays it: whatever is wrong, the status is 200 and a sentence says what."""

from __future__ import annotations

import polars as pl

from resources.providers.live.service import Ask
from tests.loopback.cases import SECRET, Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

KEYS = {"ALPHAVANTAGE_API_KEY": SECRET}
NOT_FOUND = (
    "Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/) for "
    "TIME_SERIES_DAILY."
)
WRONG_KEY = (
    "the parameter apikey is invalid or missing. Please claim your free API key on "
    "(https://www.alphavantage.co/support/#api-key). It should take less than 20 seconds."
)
DAILY_LIMIT = (
    f"We have detected your API key as {SECRET} and our standard API rate limit is 25 requests per day. Please "
    "subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to instantly remove all daily rate "
    "limits."
)
SPARINGLY = (
    "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly. You may "
    "subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to lift the free key rate limit (25 "
    "requests per day) and instantly unlock all premium endpoints"
)
FREQUENCY = (
    "Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per minute and 500 calls per day. "
    "Please visit https://www.alphavantage.co/premium/ if you would like to target a higher API call frequency."
)
PREMIUM = (
    "Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to any of the premium plans at "
    "https://www.alphavantage.co/premium/ to instantly unlock all premium endpoints"
)
FULL = (
    "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature for the "
    "TIME_SERIES_DAILY endpoint. You may subscribe to any of the premium plans to instantly unlock all premium features"
)
SENTENCES = {
    401: ("Error Message", WRONG_KEY),
    402: ("Information", PREMIUM),
    403: ("Information", PREMIUM),
    404: ("Error Message", NOT_FOUND),
    429: ("Information", DAILY_LIMIT),
}


class AlphaVantageVendor:
    service = "alpha_vantage"

    def __init__(self, world: World) -> None:
        self.world = world

    def refusal(self, status: int) -> Response:
        if status in SENTENCES:
            name, sentence = SENTENCES[status]
            return Response.of_json({name: sentence})
        return Response(b"<html><body>nginx</body></html>", status, "text/html")

    def answer(self, request: Request) -> Response:
        query = request.query
        if request.path != "/query" or query.get("function") != "TIME_SERIES_DAILY":
            return Response.of_json({"Error Message": "This API function does not exist."})
        if query.get("apikey") != SECRET:
            return self.refusal(401)
        if query.get("outputsize", "compact") != "compact":
            return Response.of_json({"Information": FULL})
        if request.is_empty:
            return Response.of_json({})
        symbol = {"IBM": "AAA"}.get(query["symbol"], query["symbol"].replace("-", "."))
        bars = self.world.bars.filter(pl.col("symbol") == symbol).sort("session", descending=True).head(100)
        if bars.is_empty():
            return self.refusal(404)
        return Response.of_json(
            {
                "Meta Data": {
                    "1. Information": "Daily Prices (open, high, low, close) and Volumes",
                    "2. Symbol": query["symbol"],
                    "3. Last Refreshed": f"{self.world.today}",
                    "4. Output Size": "Compact",
                    "5. Time Zone": "US/Eastern",
                },
                "Time Series (Daily)": {
                    f"{row['session']}": {
                        **{
                            f"{n}. {name}": f"{row[name]:.4f}"
                            for n, name in enumerate(("open", "high", "low", "close"), 1)
                        },
                        "5. volume": f"{row['volume']:.0f}",
                    }
                    for row in bars.to_dicts()
                },
            }
        )


CASES = [
    Case(
        service="alpha_vantage",
        vendor=AlphaVantageVendor,
        ask=lambda world: Ask("raw.equity_bars", ("AAA",), world.sessions[-5:]),
        keys=KEYS,
        otherwise={"paging": None},  # one answer holds all that the service gives
    )
]
