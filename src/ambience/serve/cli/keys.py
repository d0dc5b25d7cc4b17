"""`ambience keys`: makes, lists and revokes the keys by which a server is asked over a network."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from ambience.serve.cli.output import say, shown, write_json, write_table
from ambience.serve.cli.session import Session

if TYPE_CHECKING:
    from ambience.store.keys import Keys
from ambience.keys import ApiKey, Scope


@click.group()
def keys() -> None:
    """Makes, lists and revokes API keys.

    A server that others can reach answers nobody without one (docs/network.md). A change counts at once, also
    while the server runs.
    """


@keys.command("add")
@click.argument("name", metavar="NAME")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; may be repeated. admin may do everything.",
)
@click.option(
    "--days",
    metavar="N",
    type=click.IntRange(1, 36_500),
    help="Days after which it expires; never by default.",
)
@click.option(
    "--rate",
    metavar="N",
    type=click.FloatRange(0, 1e6),
    help="Requests a second, instead of serve.key_rate; 0: any number.",
)
@click.option(
    "--max-upload",
    metavar="BYTES",
    type=click.IntRange(1),
    help="Largest request, where less than serve.max_upload_bytes.",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def add_key(
    session: Session,
    name: str,
    scopes: tuple[str, ...],
    days: int | None,
    rate: float | None,
    max_upload: int | None,
    is_json: bool,
) -> None:
    """Makes a key and prints it, once: nobody can look it up later."""
    now = datetime.now(UTC).replace(microsecond=0)
    made, token = _keys(session).add(
        name,
        {Scope(scope) for scope in scopes},
        now=now,
        expires_at=None if days is None else now + timedelta(days=days),
        rate=rate,
        max_upload_bytes=max_upload,
    )
    if is_json:
        write_json({"key": token, **_told(made)})
        return
    click.echo(token)
    say(f"key {made.name!r} for {_scopes(made)}; keep it now, it is not shown again")


@keys.command("list")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_keys(session: Session, is_json: bool) -> None:
    """Lists all keys, without their secrets."""
    found = _keys(session).all()
    if is_json:
        write_json([_told(key) for key in found])
        return
    now = datetime.now(UTC)
    rows = [
        [key.name, _scopes(key), f"{key.made_at:%Y-%m-%d}", _expiry(key, now), _limits(key)] for key in found
    ]
    write_table(["key", "may", "made", "expires", "limits of its own"], rows)


@keys.command("revoke")
@click.argument("name", metavar="NAME")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def revoke_key(session: Session, name: str, is_json: bool) -> None:
    """Forgets a key: the next request with it is refused."""
    gone = _keys(session).revoke(name)
    if is_json:
        write_json({"revoked": gone.name})
    else:
        click.echo(f"{shown(gone.name)} is revoked")


def _keys(session: Session) -> "Keys":
    from ambience.store.keys import KEYS_NAME, Keys

    settings = session.settings
    return Keys(settings.serve.keys_file or settings.library / KEYS_NAME)


def _told(key: ApiKey) -> dict[str, object]:
    return {
        "name": key.name,
        "key_id": key.key_id,
        "scopes": sorted(key.scopes),
        "made_at": key.made_at,
        "expires_at": key.expires_at,
        "rate": key.rate,
        "max_upload_bytes": key.max_upload_bytes,
    }


def _scopes(key: ApiKey) -> str:
    return ", ".join(scope for scope in Scope if scope in key.scopes)


def _expiry(key: ApiKey, now: datetime) -> str:
    if key.expires_at is None:
        return "never"
    return f"{key.expires_at:%Y-%m-%d}" + (" (over)" if key.is_expired(now) else "")


def _limits(key: ApiKey) -> str:
    parts = [] if key.rate is None else ["any rate" if key.rate == 0 else f"{key.rate:g} requests/s"]
    return ", ".join(parts + ([] if key.max_upload_bytes is None else [f"{key.max_upload_bytes:,} bytes"]))
