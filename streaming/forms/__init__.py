"""Forms that check what people enter, one for the admin and the command line alike."""
