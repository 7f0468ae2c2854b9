"""Costs of the work by role and by resource, and its spread over machines.

- `run` starts servers of its own (`servers`, with TLS and pg_stat_statements) and a process that
  measures (`trial`); docs/scaling.md is for the readers of its figures.
- `costs` polls, ingests and has valued; `storage` measures memory and disk, `late_guard` one guard.
- `machines` has the value workers of two state directories share the work.
- `meter` looks at all resources, `document` is the result, `needs` extrapolates, `tables` prints.

`document`, `needs` and `tables` are pure.
"""
