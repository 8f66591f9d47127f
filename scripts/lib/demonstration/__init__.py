"""What scripts/demo is made of: the flow of carts, scenes of one thing each, settling, the summary."""
