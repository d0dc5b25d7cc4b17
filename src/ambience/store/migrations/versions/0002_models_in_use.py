"""Which model each kind uses, and which one is coming."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "models_in_use",
        sa.Column("kind", sa.String(64), primary_key=True),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("coming", sa.String(255), nullable=False),
        comment="a kind without a row uses the model that is its own default",
    )
