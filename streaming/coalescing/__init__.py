"""Coalescing: changed markets wait for their batch, and a sweep finds those that were lost."""
