"""Features become nearest neighbours: one file per form of index."""
