"""One poll of a provider: admission, requests, circuits, pacing."""
