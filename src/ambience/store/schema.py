"""The tables of the records, for any database that SQLAlchemy speaks to.

Text that comes from outside (paths, names, tags, reasons) is kept as its bytes: a Linux path need not be
valid UTF-8, bytes sort alike in every database, and no database then refuses a character.
A change here needs a revision in `migrations/versions` beside it; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    text,
)

from ambience.datatypes import FeatureState

metadata = MetaData()

_ROWID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite stores a row under its integer key only where the column is called INTEGER."""

images = Table(
    "images",
    metadata,
    Column("image_id", _ROWID, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary(32), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("name", LargeBinary, nullable=False, index=True),
    Column("path", LargeBinary, unique=True),
    Column("mtime_ns", BigInteger),
    Column("is_upload", Boolean, nullable=False),
    Column("format", String(32), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("taken_at", String(32)),
    Column("added_at", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    CheckConstraint("image_id >= 0", name="image_id_positive"),
    # Which bytes are uploads, and how much they are: without reading the images.
    Index(
        "ix_images_uploads",
        "sha256",
        "size",
        sqlite_where=text("is_upload = 1"),
        postgresql_where=text("is_upload"),
    ),
)

spaces = Table(
    "spaces",
    metadata,
    Column("space_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("kind", String(64), nullable=False),
    Column("fingerprint", String(255), nullable=False, unique=True),
    comment="one row per fingerprint, so that millions of feature rows hold a small number instead",
)

features = Table(
    "features",
    metadata,
    Column("image_id", _ROWID, ForeignKey("images.image_id"), primary_key=True, autoincrement=False),
    Column("space_id", SmallInteger, ForeignKey("spaces.space_id"), primary_key=True, autoincrement=False),
    Column("state", String(8), nullable=False),
    Column("feature_id", BigInteger),
    Column("seq", BigInteger, nullable=False),
    Column("reason", LargeBinary, nullable=False),
    Index("ix_features_feature_id", "space_id", "feature_id", unique=True),
    Index("ix_features_seq", "space_id", "seq"),
    Index(
        "ix_features_pending",
        "space_id",
        "image_id",
        sqlite_where=text(f"state = '{FeatureState.PENDING}'"),
        postgresql_where=text(f"state = '{FeatureState.PENDING}'"),
    ),
    sqlite_with_rowid=False,
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("seq", _ROWID, primary_key=True, autoincrement=False),
    Column("space_id", SmallInteger, ForeignKey("spaces.space_id"), nullable=False),
    Column("feature_id", BigInteger, nullable=False),
    Column("image_id", BigInteger, nullable=False),
    Index("ix_tombstones_seq", "space_id", "seq"),
)

tags = Table(
    "tags",
    metadata,
    Column("image_id", _ROWID, ForeignKey("images.image_id"), primary_key=True, autoincrement=False),
    Column("source", String(64), primary_key=True),
    Column("tag", LargeBinary, primary_key=True),
    Column("score", Double, nullable=False),
    Index("ix_tags_tag", "tag", "image_id"),
    sqlite_with_rowid=False,
)

annotators = Table(
    "annotators",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("fingerprint", String(255), nullable=False),
    Column("enlisted", BigInteger, nullable=False),
    comment="up to which image everything that this annotator has not seen is enlisted as pending",
)

annotations = Table(
    "annotations",
    metadata,
    Column("image_id", _ROWID, ForeignKey("images.image_id"), primary_key=True, autoincrement=False),
    Column("annotator", String(32), primary_key=True),
    Column("fingerprint", String(255), nullable=False),
    Column("state", String(8), nullable=False),
    Column("reason", LargeBinary, nullable=False),
    Index("ix_annotations_state", "annotator", "state"),
    Index(
        "ix_annotations_pending",
        "annotator",
        "image_id",
        sqlite_where=text(f"state = '{FeatureState.PENDING}'"),
        postgresql_where=text(f"state = '{FeatureState.PENDING}'"),
    ),
    sqlite_with_rowid=False,
)

captions = Table(
    "captions",
    metadata,
    Column("image_id", _ROWID, ForeignKey("images.image_id"), primary_key=True, autoincrement=False),
    Column("source", String(64), primary_key=True),
    Column("text", LargeBinary, nullable=False),
    Column("score", Double, nullable=False),
    sqlite_with_rowid=False,
)

text_lines = Table(
    "text_lines",
    metadata,
    Column("line_id", _ROWID, primary_key=True, autoincrement=True),
    Column("image_id", _ROWID, ForeignKey("images.image_id"), nullable=False, index=True),
    Column("place", Integer, nullable=False),
    Column("text", LargeBinary, nullable=False),
    Column("quad", LargeBinary(32), nullable=False),
    Column("confidence", Double, nullable=False),
    Column("script", String(4), nullable=False),
    Column("language", String(35), nullable=False),
    comment="numbers of lines are never given out twice: whoever follows them sees every new line",
    sqlite_autoincrement=True,
)

source_urls = Table(
    "source_urls",
    metadata,
    Column("image_id", _ROWID, ForeignKey("images.image_id"), primary_key=True, autoincrement=False),
    Column("url", LargeBinary, nullable=False),
    comment="where pictures were found, as imported files say",
)

tag_forms = Table(
    "tag_forms",
    metadata,
    Column("tag", LargeBinary, primary_key=True),
    Column("folded", LargeBinary, nullable=False, index=True),
    sqlite_with_rowid=False,
    comment="every tag that was ever given, and how it reads where case does not count",
)

sequences = Table(
    "sequences",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("last", BigInteger, nullable=False),
    comment="last numbers given out; they never go back",
)

tallies = Table(
    "tallies",
    metadata,
    Column("space_id", SmallInteger, primary_key=True, autoincrement=False),
    Column("image_state", String(16), primary_key=True),
    Column("feature_state", String(8), primary_key=True),
    Column("number", BigInteger, nullable=False),
    comment="how many rows of each sort there are, kept by every commit; space 0 and '' count the images",
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("fingerprint", String(255), primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

removals_elsewhere = Table(
    "removals_elsewhere",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("image_id", _ROWID, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary(32), primary_key=True),
    sqlite_with_rowid=False,
    comment="images that the service of a kind in another process has yet to forget",
)

models_in_use = Table(
    "models_in_use",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("model", String(255), nullable=False),
    Column("coming", String(255), nullable=False),
    comment="a kind without a row uses the model that is its own default",
)

failed_files = Table(
    "failed_files",
    metadata,
    Column("path", LargeBinary, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("code", String(64), nullable=False),
    Column("reason", LargeBinary, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("low", LargeBinary(32), primary_key=True),
    Column("high", LargeBinary(32), primary_key=True),
    Column("decision", String(16), nullable=False),
    Column("decided_at", String(32), nullable=False),
    sqlite_with_rowid=False,
    comment="what people say of two contents, the smaller sha256 first; kept whatever becomes of the images",
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", _ROWID, primary_key=True, autoincrement=False),
    Column("name", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("state", String(8), nullable=False, index=True),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("updated_at", String(32), nullable=False),
)


def encoded(value: str) -> bytes:
    """Text from outside as the bytes that are stored; undecodable bytes of a path come out as they were."""
    return value.encode("utf-8", "surrogateescape")


def decoded(value: bytes) -> str:
    """The text that `encoded` was given."""
    return bytes(value).decode("utf-8", "surrogateescape")


def clamped(value: int) -> int:
    """The nearest number that a column can hold: file times beyond the year 2262 are too large for one."""
    return max(-(2**63), min(value, 2**63 - 1))
