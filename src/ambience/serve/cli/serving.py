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
@click.option(
    "--alone",
    is_flag=True,
    help="With KIND: have no other kind and no annotator in this process, as a gateway's service has none.",
)
@click.pass_obj
def serve(session: Session, kind: str | None, host: str | None, port: int | None, alone: bool) -> None:
    """Serves the page and the HTTP interface.

    With KIND (such as phash), that kind alone; with "gateway", the page and everything else, and every kind
    is asked of a service of its own: at kinds.KIND.url, or on this machine at the kind's port. The server is
    the library's one writer; `ambience add`, `search` and the others hand it their work meanwhile.
    """
    from ambience.serve import topology
    from ambience.serve.http.run import serve as run_server

    settings = session.settings
    if kind == topology.GATEWAY:
        settings, kind = topology.gateway(settings), None
    if alone:
        if kind is None:
            raise click.UsageError("--alone needs a KIND, such as phash")
        settings = topology.alone(settings, kind)
    serving = replace(settings.serve, host=host or settings.serve.host, port=port or settings.serve.port)
    run_server(replace(settings, serve=serving), kind=kind)
