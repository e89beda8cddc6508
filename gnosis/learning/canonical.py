"""Canonical bytes: the same value is always the same bytes, so that a hash identifies it (L-13.2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTH_BYTES = 8


def canonical_json(value: Any) -> str:
    """Return JSON that is the same bytes for the same value (RFC 8785 in spirit).

    Examples
    --------
    >>> canonical_json({"b": 0.1, "a": [1, None]})
    '{"a":[1,null],"b":0.1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def pack(header: Mapping[str, Any], blocks: Mapping[str, bytes]) -> bytes:
    """Join a JSON header and named blocks of bytes.

    Returns
    -------
    bytes
        Length of the header as little-endian uint64, the header as canonical JSON with the names and lengths of the
        blocks under ``blocks``, the blocks sorted by name.

    Examples
    --------
    >>> unpack(pack({"model": "m"}, {"b": b"xy", "a": b"z"}))
    ({'model': 'm'}, {'a': b'z', 'b': b'xy'})
    """
    names = sorted(blocks)
    described = canonical_json({**header, "blocks": [[name, len(blocks[name])] for name in names]}).encode()
    return b"".join([len(described).to_bytes(_LENGTH_BYTES, "little"), described, *[blocks[name] for name in names]])


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read what :func:`pack` wrote: the header and the blocks by name.

    Raises
    ------
    ValueError
        When the content is shorter or longer than its header says.
    """
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    if len(content) < start:
        raise ValueError(f"expected a header of {start - _LENGTH_BYTES} bytes, found {len(content)} bytes in all")
    header = json.loads(content[_LENGTH_BYTES:start])
    blocks: dict[str, bytes] = {}
    for name, length in header.pop("blocks"):
        blocks[name] = content[start : start + length]
        start += length
    if len(content) != start:
        raise ValueError(f"expected {start} bytes as the header says, found {len(content)}; store the model anew")
    return header, blocks
