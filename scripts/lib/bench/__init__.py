"""What scripts/bench measures, on servers of its own."""
