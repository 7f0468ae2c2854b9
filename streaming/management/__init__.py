"""Commands of the stream."""
