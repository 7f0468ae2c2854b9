"""Notifications: what is sent to which subscriber, and how each delivery ended."""
