"""`ambience serve`: the page and the HTTP interface, all in one process or one kind alone."""

from dataclasses import replace

import click

from ambience.serve.cli.session import Session


@click.command()
@click.argument("kind", required=False)
@click.option("--host", metavar="ADDRESS", help="Address to bind; 127.0.0.1, this machine alone, by default.")
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(1, 65535),
    help="Port; by default 44444, or with KIND the kind's own.",
)
@click.pass_obj
def serve(session: Session, kind: str | None, host: str | None, port: int | None) -> None:
    """Serves the page and the HTTP interface.

    With KIND (such as phash), that kind alone. The server is the library's one writer; `ambience add`,
    `search` and the others hand it their work meanwhile.
    """
    from ambience.serve.http.run import serve as run_server

    settings = session.settings
    serving = replace(settings.serve, host=host or settings.serve.host, port=port or settings.serve.port)
    run_server(replace(settings, serve=serving), kind=kind)
