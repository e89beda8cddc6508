"""xAI as the loopback server plays it: chat completions that score what the prompt sends."""

from __future__ import annotations

import json
from typing import Any

from tests.loopback.cases import SECRET, Case
from tests.loopback.server import Request, Response
from tests.loopback.world import World

KEYS = {"XAI_API_KEY": SECRET}
MODEL = "grok-4"


class XaiVendor:
    """Attributes change what the model writes: ``spoil`` takes its scores, ``content`` stands for its whole text."""

    service = "xai"

    def __init__(self, world: World) -> None:
        self.world = world
        self.spoil = lambda scores: scores
        self.content: str | None = None
        self.finish_reason = "stop"

    def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            wrong = {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: k3***ld."}
            return Response.of_json(wrong, 400)
        if request.path != "/v1/chat/completions" or request.method != "POST":
            return self.refusal(404)
        asked = json.loads(request.body)
        if "search_parameters" in asked:
            return self.refusal(410)
        if asked["model"] != MODEL:
            return Response.of_json({"code": "Some requested entity was not found", "error": "no such model"}, 404)
        texts = json.loads(asked["messages"][1]["content"])["texts"]
        scores = [] if request.is_empty else self.spoil([score(one["number"], one["text"]) for one in texts])
        content = self.content if self.content is not None else json.dumps({"scores": scores})
        message = {"role": "assistant", "content": content, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        return Response.of_json(
            {
                "id": "3f1c",
                "object": "chat.completion",
                "created": int(self.world.now.timestamp()),
                "model": MODEL,
                "choices": [choice],
                "usage": {"prompt_tokens": 300, "completion_tokens": 40, "total_tokens": 340},
            }
        )

    def refusal(self, status: int) -> Response:
        return Response.of_json({"code": "refused", "error": f"refused with {status}"}, status)


def score(number: int, text: str) -> dict[str, Any]:
    """Return 0.8 for the side that the first word names, or for neutral."""
    side = {"good": "positive", "bad": "negative"}.get(text.split()[0] if text else "", "neutral")
    return {"number": number, "positive": 0.1, "negative": 0.1, "neutral": 0.1} | {side: 0.8}


CASES: list[Case] = []
"""A scorer has no table: its own tests try it in every mode."""
