"""What the endpoints answer, by family."""
