"""Style of the tear sheet: light and dark, no font or file from elsewhere."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark; --ink: #1c2127; --dim: #5c6773; --line: #d9dee3; --paper: #ffffff; --shade: #f5f7f9;
  --warn-ink: #7a2e0e; --warn: #fdf0e6; --warn-line: #e8b088; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7eb; --dim: #98a3ae; --line: #343c45; --paper: #15191d;
  --shade: #1d2328; --warn-ink: #f2c19e; --warn: #33231a; --warn-line: #7a4c2c; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
p { margin: .35rem 0; }
code { font: .86em ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.dim, td.why, .range { color: var(--dim); }
.warn { background: var(--warn); color: var(--warn-ink); border-left: 4px solid var(--warn-line); padding: .5rem .8rem;
  margin: .6rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .87rem; }
th, td { padding: .22rem .7rem .22rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
.range { font-size: .82em; padding-left: .45rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; }
figure { margin: 0; }
figure img { width: 100%; height: auto; border: 1px solid var(--line); background: #ffffff; }
"""
