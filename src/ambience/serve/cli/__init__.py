"""The command line, one file per group of commands; only this folder knows exit codes.

Nothing heavy is imported before a command runs, so that `ambience --help` answers at once.
"""

from ambience.serve.cli.app import main

__all__ = ["main"]
