"""Architectures that are built from weights, one family a file."""
