"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ROWID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("image_id", _ROWID, primary_key=True, autoincrement=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("name", sa.LargeBinary, nullable=False),
        sa.Column("path", sa.LargeBinary, unique=True),
        sa.Column("mtime_ns", sa.BigInteger),
        sa.Column("is_upload", sa.Boolean, nullable=False),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("taken_at", sa.String(32)),
        sa.Column("added_at", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.CheckConstraint("image_id >= 0", name="image_id_positive"),
    )
    op.create_index("ix_images_sha256", "images", ["sha256"])
    op.create_index("ix_images_name", "images", ["name"])
    op.create_index(
        "ix_images_uploads",
        "images",
        ["sha256", "size"],
        sqlite_where=sa.text("is_upload = 1"),
        postgresql_where=sa.text("is_upload"),
    )
    op.create_table(
        "spaces",
        sa.Column("space_id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(255), nullable=False, unique=True),
        comment="one row per fingerprint, so that millions of feature rows hold a small number instead",
    )
    op.create_table(
        "features",
        sa.Column(
            "image_id", _ROWID, sa.ForeignKey("images.image_id"), primary_key=True, autoincrement=False
        ),
        sa.Column(
            "space_id",
            sa.SmallInteger,
            sa.ForeignKey("spaces.space_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("feature_id", sa.BigInteger),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_features_feature_id", "features", ["space_id", "feature_id"], unique=True)
    op.create_index("ix_features_seq", "features", ["space_id", "seq"])
    op.create_index(
        "ix_features_pending",
        "features",
        ["space_id", "image_id"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
    _create_change_log()
    _create_notes()


def _create_change_log() -> None:
    op.create_table(
        "tombstones",
        sa.Column("seq", _ROWID, primary_key=True, autoincrement=False),
        sa.Column("space_id", sa.SmallInteger, sa.ForeignKey("spaces.space_id"), nullable=False),
        sa.Column("feature_id", sa.BigInteger, nullable=False),
        sa.Column("image_id", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_tombstones_seq", "tombstones", ["space_id", "seq"])
    op.create_table(
        "sequences",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
        comment="last numbers given out; they never go back",
    )
    op.create_table(
        "tallies",
        sa.Column("space_id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("image_state", sa.String(16), primary_key=True),
        sa.Column("feature_state", sa.String(8), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        comment="how many rows of each sort there are, kept by every commit; space 0 and '' count the images",
    )
    op.create_table(
        "snapshots",
        sa.Column("fingerprint", sa.String(255), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
    )


def _create_notes() -> None:
    op.create_table(
        "tags",
        sa.Column(
            "image_id", _ROWID, sa.ForeignKey("images.image_id"), primary_key=True, autoincrement=False
        ),
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("tag", sa.LargeBinary, primary_key=True),
        sa.Column("score", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tags_tag", "tags", ["tag", "image_id"])
    op.create_table(
        "failed_files",
        sa.Column("path", sa.LargeBinary, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("reason", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", _ROWID, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("updated_at", sa.String(32), nullable=False),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
