"""Command line, HTTP and page: only here do status codes, exit codes and HTML exist."""
