"""How tags read where case does not count."""

import sqlalchemy as sa
from alembic import op

from ambience.expression import folded
from ambience.store.schema import decoded, encoded

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    forms = op.create_table(
        "tag_forms",
        sa.Column("tag", sa.LargeBinary, primary_key=True),
        sa.Column("folded", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
        comment="every tag that was ever given, and how it reads where case does not count",
    )
    op.create_index("ix_tag_forms_folded", "tag_forms", ["folded"])
    given = op.get_bind().execute(sa.text("SELECT DISTINCT tag FROM tags")).scalars()
    rows = [{"tag": bytes(tag), "folded": encoded(folded(decoded(tag)))} for tag in given]
    if rows:
        op.bulk_insert(forms, rows)
