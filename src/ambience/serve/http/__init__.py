"""The HTTP faces of a library."""
