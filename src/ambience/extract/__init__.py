"""Pixels become features: one file per kind."""
