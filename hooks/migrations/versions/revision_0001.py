"""The tables of 0.1.0, made where they are not there: stores of then have no revision."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_TAGS = (
    *("experiment", "phase", "variant", "served", "task_type", "language"),
    *("reason", "error_code"),
)


def upgrade() -> None:
    """Make what is missing."""
    op.create_table(
        "series",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("measurement", sa.Text, nullable=False),
        *(sa.Column(tag, sa.Text, nullable=False, server_default="") for tag in _TAGS),
        sa.UniqueConstraint("measurement", *_TAGS, name="series_tags"),
        if_not_exists=True,
    )
    _make_values("windows", sa.Column("time_ns", sa.BigInteger, primary_key=True))
    _make_values("day_values", sa.Column("day", sa.Integer, primary_key=True))
    op.create_table(
        "merged_days",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        if_not_exists=True,
    )
    op.create_table(
        "phases",
        sa.Column("experiment", sa.Text, primary_key=True),
        sa.Column("phase", sa.Text, primary_key=True),
        sa.Column("first_seen_ns", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False, server_default="")
            for name in ("weights", "metadata", "definition", "bucketing")
        ),
        if_not_exists=True,
    )
    op.create_table(
        "store_about",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        if_not_exists=True,
    )


def _make_values(name: str, time: sa.Column[int]) -> None:
    op.create_table(
        name,
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
        time,
        sa.Column("field", sa.Text, primary_key=True),
        sa.Column("value", sa.Double, nullable=False),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
