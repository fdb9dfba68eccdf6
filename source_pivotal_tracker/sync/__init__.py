"""How a read runs: plan the walks, run them side by side, checkpoint, find deletions."""
