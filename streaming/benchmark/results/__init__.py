"""The results of a benchmark: the document, its ratios, their comparison, and reports with charts.

All of it is pure.
"""
