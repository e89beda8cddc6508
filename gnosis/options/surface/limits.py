"""Limits of the certificate, shared by its rules and by the fit that is held to them."""

from __future__ import annotations

LEAST_SHARE_INSIDE = 0.80
"""Share of the quotes that a certified surface meets within bid and ask, unless another is asked for."""

MASS_TOLERANCE = 1e-4
"""How far mass and mean of a density may be from one."""

CALENDAR_TOLERANCE = 1e-10
"""How far a later slice may lie below an earlier one, total variance."""
