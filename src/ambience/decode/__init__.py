"""Bytes become pixels, once per picture."""
