"""Changed markets wait for their batch; the sweeper finds those that were lost."""
