"""The benchmark: what a run of the stream costs, and what the hardening saves.

`manage.py baseline` captures, compares and runs A/B; docs/baseline.md is for its users.

- Capture: `capture` samples queues and processes (`process_metrics`) for a while, and `window`
  measures the rows that were written meanwhile. The document is `baseline`; `aggregates` fills it.
- Compare: `compare` judges two sides by the targets; `figures` are shown beside them; `report`
  prints both as tables.
- A/B: `ab` runs the same input with the hardening off and on, each time as an `ab_trial` in a
  process of its own, and compares the two.

`baseline`, `aggregates`, `compare` and `figures` are pure.
"""
