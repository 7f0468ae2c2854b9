"""An app with handlers, which only the workers of the delivery tests have installed."""
