"""What tests share: rows, clocks, receivers, recordings and readings of logs."""
