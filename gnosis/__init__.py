"""The library: pure mathematics and domain rules of dealer positioning and market structure."""
