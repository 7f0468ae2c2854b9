"""Tags of the admin pages of operators."""
