"""What scripts/demo is made of: the flow of carts, scenes that exercise one thing each, settling, the summary."""
