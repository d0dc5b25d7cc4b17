"""Models: which there are, where their weights lie, and how they run; no kind sees an address or a file."""
