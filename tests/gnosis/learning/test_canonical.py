"""Canonical bytes."""

from __future__ import annotations

import pytest

from gnosis.learning.canonical import canonical_json, pack, unpack


def test_json_is_sorted_short_and_refuses_what_json_cannot_say() -> None:
    assert canonical_json({"b": 1e-7, "a": (1, 2)}) == '{"a":[1,2],"b":1e-07}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


def test_blocks_come_back_whatever_their_order_or_bytes() -> None:
    blocks = {"second": bytes(range(256)), "first": b""}
    content = pack({"k": 1}, blocks)
    assert content == pack({"k": 1}, dict(reversed(blocks.items())))
    assert unpack(content) == ({"k": 1}, blocks)


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: content + b"x", lambda _: b"\xff" * 9]
)
def test_damaged_content_is_refused(damage) -> None:
    with pytest.raises(ValueError, match="expected"):
        unpack(damage(pack({"k": 1}, {"a": b"xyz"})))
