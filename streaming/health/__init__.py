"""Health: observations, the checks that judge them, and reports.

`servers` and `stream` observe; `checks` judges, by the rules of `streaming.core.health`; `report`
puts both together; `snapshots` stores reports and notifies of changes; `metrics` formats them for
Prometheus. Everything is read from rows, from Redis or from the workers themselves, never from the
memory of a process: docs/adr/0015-health-from-rows.md.
"""
