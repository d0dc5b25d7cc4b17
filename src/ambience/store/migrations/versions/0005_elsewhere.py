"""What kinds that other processes serve have yet to forget."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "removals_elsewhere",
        sa.Column("kind", sa.String(64), primary_key=True),
        sa.Column(
            "image_id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("sha256", sa.LargeBinary(32), primary_key=True),
        sqlite_with_rowid=False,
        comment="images that the service of a kind in another process has yet to forget",
    )
