"""Merged days keep hours too; the days that are merged are merged once more, to have them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table, and take back that days are merged."""
    op.create_table(
        "hour_values",
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True),
        sa.Column("hour", sa.Integer, primary_key=True),
        sa.Column("field", sa.Text, primary_key=True),
        sa.Column("value", sa.Double, nullable=False),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.execute("DELETE FROM merged_days")
