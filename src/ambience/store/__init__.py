"""The truth on disk: records (SQL) and features (LMDB)."""
