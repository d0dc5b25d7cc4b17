"""Where pictures were found, as files of other systems say."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "source_urls",
        sa.Column(
            "image_id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            sa.ForeignKey("images.image_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("url", sa.LargeBinary, nullable=False),
        comment="where pictures were found, as imported files say",
    )
