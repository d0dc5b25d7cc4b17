"""What people decided about duplicates."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("low", sa.LargeBinary(32), primary_key=True),
        sa.Column("high", sa.LargeBinary(32), primary_key=True),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("decided_at", sa.String(32), nullable=False),
        sqlite_with_rowid=False,
        comment="what people say of two contents, the smaller sha256 first; kept when images go",
    )
