"""The read path of one kind."""
