"""The contenders of a benchmark: Hardline, and other ways to do the same work.

Each lays the same markets into tables, takes the same changes, and leaves the same prices, one row
of history a change, and fair prices. `naive` and `batched` are what a Django project would begin
with; `floor` is what cannot be avoided. ADR 42 says why these.
"""
