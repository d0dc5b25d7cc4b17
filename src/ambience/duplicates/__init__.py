"""Copies among the pictures of a library: pairs are found in the background, groups are made of them."""
