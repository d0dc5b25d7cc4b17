"""What is said of pictures in words: text in them, captions, and how far each annotator is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ROWID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PENDING = sa.text("state = 'pending'")


def _image_id() -> sa.Column[int]:
    image = sa.ForeignKey("images.image_id")
    return sa.Column("image_id", _ROWID, image, primary_key=True, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "annotators",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("fingerprint", sa.String(255), nullable=False),
        sa.Column("enlisted", sa.BigInteger, nullable=False),
        comment="up to which image everything that this annotator has not seen is enlisted as pending",
    )
    op.create_table(
        "annotations",
        _image_id(),
        sa.Column("annotator", sa.String(32), primary_key=True),
        sa.Column("fingerprint", sa.String(255), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("reason", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_annotations_state", "annotations", ["annotator", "state"])
    op.create_index(
        "ix_annotations_pending",
        "annotations",
        ["annotator", "image_id"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
    op.create_table(
        "captions",
        _image_id(),
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "text_lines",
        sa.Column("line_id", _ROWID, primary_key=True, autoincrement=True),
        sa.Column("image_id", _ROWID, sa.ForeignKey("images.image_id"), nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("quad", sa.LargeBinary(32), nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("script", sa.String(4), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        comment="numbers of lines are never given out twice: whoever follows them sees every new line",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_text_lines_image_id", "text_lines", ["image_id"])
