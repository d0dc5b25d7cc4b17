"""The write path: decode → extract → store; streaming, resumable, one bad file never stops a run."""

from ambience.ingest.ingest import Ingest
from ambience.ingest.progress import IngestProgress, IngestReport

__all__ = ["Ingest", "IngestProgress", "IngestReport"]
