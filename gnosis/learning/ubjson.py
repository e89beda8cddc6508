"""Universal Binary JSON as XGBoost writes its models: what serving reads without XGBoost itself."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_SCALARS: dict[str, tuple[str, np.dtype[Any]]] = {
    "i": (">b", np.dtype("i1")),
    "U": (">B", np.dtype("u1")),
    "I": (">h", np.dtype(">i2")),
    "l": (">i", np.dtype(">i4")),
    "L": (">q", np.dtype(">i8")),
    "d": (">f", np.dtype(">f4")),
    "D": (">d", np.dtype(">f8")),
}
_WHOLE_NUMBERS = "iUIlL"
_CONSTANTS = {"T": True, "F": False, "Z": None}


class UbjsonError(ValueError):
    """Bytes that are no Universal Binary JSON, or a marker that models do not use."""


def read_ubjson(content: bytes) -> Any:
    """Return the value that ``content`` holds.

    Parameters
    ----------
    content
        One value and nothing after it.

    Returns
    -------
    object
        Objects as dict, arrays of one type as numpy arrays in the machine's byte order, other arrays as list.

    Raises
    ------
    UbjsonError
        When the bytes end too early, go on too long or hold an unknown marker.

    References
    ----------
    Universal Binary JSON, draft 12, with the 64-bit lengths that XGBoost writes.

    Examples
    --------
    >>> read_ubjson(b"{i\\x01a[$d#i\\x01\\x3f\\x80\\x00\\x00}")
    {'a': array([1.], dtype=float32)}
    """
    reader = _Reader(content)
    value = reader.value(reader.marker())
    if reader.at != len(content):
        raise UbjsonError(f"expected one value, found {len(content) - reader.at} bytes after it; the model is damaged")
    return value


class _Reader:
    """A position in the bytes."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def take(self, length: int) -> bytes:
        part = self.content[self.at : self.at + length]
        if length < 0 or len(part) != length:
            raise UbjsonError(
                f"expected {length} bytes at {self.at}, found {len(part)}; the model is cut off: store it again"
            )
        self.at += length
        return part

    def marker(self) -> str:
        return chr(self.take(1)[0])

    def length(self) -> int:
        kind = self.marker()
        if kind not in _WHOLE_NUMBERS:
            raise UbjsonError(f"expected a length before {self.at}, found marker {kind!r}; the model is damaged")
        return int(self.value(kind))

    def text(self) -> str:
        return self.take(self.length()).decode()

    def value(self, marker: str) -> Any:
        if marker in _SCALARS:
            form, dtype = _SCALARS[marker]
            return struct.unpack(form, self.take(dtype.itemsize))[0]
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == "S":
            return self.text()
        if marker == "{":
            return self.entries()
        if marker == "[":
            return self.items()
        raise UbjsonError(f"expected a marker of Universal Binary JSON before {self.at}, found {marker!r}")

    def entries(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.content[self.at : self.at + 1] != b"}":
            name = self.text()
            found[name] = self.value(self.marker())
        self.at += 1
        return found

    def items(self) -> Any:
        ahead = self.content[self.at : self.at + 1]
        if ahead == b"$":
            self.at += 1
            kind = self.marker()
            if kind not in _SCALARS or self.marker() != "#":
                raise UbjsonError(f"expected an array of numbers and its length before {self.at}; the model is damaged")
            dtype = _SCALARS[kind][1]
            count = self.length()
            return np.frombuffer(self.take(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))
        if ahead == b"#":
            self.at += 1
            return [self.value(self.marker()) for _ in range(self.length())]
        found = []
        while self.content[self.at : self.at + 1] != b"]":
            found.append(self.value(self.marker()))
        self.at += 1
        return found
