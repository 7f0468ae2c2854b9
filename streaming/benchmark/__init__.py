"""Benchmarks: the cost of a run, the savings of the hardening, and other ways to do the work.

`manage.py baseline` captures, compares and runs A/B; docs/baseline.md is for its users.

- Capture: `capture` samples queues and processes (`process_metrics`) for a while, and `window`
  measures the rows that were written meanwhile. The document is `baseline`; `aggregates` fills it.
- Compare: `compare` judges two sides by the targets; `figures` are shown beside them; `report`
  prints both as tables.
- A/B: `ab` runs the same input with the hardening off and on, each time as an `ab_trial` in a
  process of its own, and compares the two.

`manage.py benchmark` measures the pipeline beside others; docs/benchmarks is for its users.

- `run` prepares an isolated database and Redis (`isolation`), has a process do a `plan` there
  (`trial`, `session`), and removes both.
- `profiles` are kinds of work, made from a seed by `workload`; `contenders` do it.
- `results` has the document, its ratios, their comparison, and reports with charts.

`manage.py benchmark throttle` compares two deciders in simulated time: `throttle`.
`manage.py benchmark polling` compares fixed with adaptive polling offline: `polling`.

`manage.py benchmark costs` and `machines` measure what work costs by role, and how it spreads over
machines: `scaling`.

`baseline`, `aggregates`, `compare`, `figures`, `plan`, `polling`, `workload`, `results` and
`throttle` are pure.
"""
