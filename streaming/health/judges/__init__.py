"""The judges of all checks, one module for each group.

A check's text says what was measured, the limit, and what follows from it for prices and people.
"""
