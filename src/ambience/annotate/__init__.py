"""From decoded pictures to words: one file per annotator."""
