"""Copies the files that people attached into a folder or an object store, each once."""
