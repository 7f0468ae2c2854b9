"""Health: what is looked at, how it is judged, and where it is told.

`servers` and `stream` look; `checks` judges, by the rules of `streaming.core.health`; `report` puts
both together; `snapshots` keeps what was seen and tells of changes; `metrics` writes it for
Prometheus. Everything is read from rows, from Redis or from the workers themselves, never from the
memory of a process: docs/adr/0015-health-from-rows.md.
"""
