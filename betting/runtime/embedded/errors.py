"""What goes wrong with the private servers, said to the person who can mend it."""

from __future__ import annotations


class EmbeddedError(Exception):
    """A private server or its state directory cannot be used; the message says what to do."""
