"""The error of the private servers, worded for the person who can fix it."""

from __future__ import annotations


class EmbeddedError(Exception):
    """A private server or its state directory cannot be used; the message says what to do."""
