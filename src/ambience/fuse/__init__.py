"""Rankings of several kinds become one answer."""
