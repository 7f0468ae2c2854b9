"""What each check makes of what was seen, one module for each group of checks.

A text says what was measured, the limit, and what follows from it for prices and people.
"""
