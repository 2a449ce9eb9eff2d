"""Names of fields."""

from __future__ import annotations

import pytest

from openfeature_triton.hooks import schema


@pytest.mark.parametrize("name", ["bleu_score", "n", "sum", "output_n_sum"])
def test_a_metrics_fields_lead_back_to_it(name: str) -> None:
    """A reader finds metric and part in a field's name, even where the metric ends like a part."""
    parts = [schema.parse_metric_field(field) for field in schema.metric_fields(name)]
    assert parts == [(name, "n"), (name, "sum"), (name, "sumsq")]


def test_a_bins_field_leads_back_to_it() -> None:
    """A reader finds the bin in a field's name."""
    assert schema.parse_bin_field(schema.bin_field(697)) == 697


@pytest.mark.parametrize("field", [schema.REQUESTS, schema.LATENCY_SUM, "h", "h1x", "m_", "mx_n"])
def test_other_fields_are_told_apart(field: str) -> None:
    """No other field is taken for a metric's or a bin's."""
    assert schema.parse_metric_field(field) is None
    assert schema.parse_bin_field(field) is None
