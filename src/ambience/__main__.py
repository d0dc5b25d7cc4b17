"""`python -m ambience` is the command line."""

from ambience.serve.cli import main

if __name__ == "__main__":
    main()
