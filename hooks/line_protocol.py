r"""Line protocol: points as InfluxDB reads them. Pure.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
Line breaks and tabs in names and tag values, which it can't carry, become `\n`, `\r` and `\t`;
what UTF-8 can't carry (a lone surrogate) becomes `?`; a number that is not finite is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from openfeature_triton.hooks.sink import Point, Tags

FieldValue = float | int | str

_BREAKS = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_IN_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ ", **_BREAKS})
_IN_KEY = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", **_BREAKS})
_IN_TEXT = str.maketrans({'"': r"\"", "\\": r"\\"})


def line(point: Point) -> str:
    """Give a point as one line, without the line's end; empty if no field can be written."""
    return join(series_key(point.measurement, point.tags), point.fields, point.time_ns)


def join(key: str, fields: Mapping[str, FieldValue], time_ns: int) -> str:
    """Give the line of a series' key, its fields and a time."""
    written = _fields(fields.items())
    return f"{key} {written} {time_ns}" if written else ""


def series_key(measurement: str, tags: Tags) -> str:
    """Give measurement and tags; a tag without a value is left out, as InfluxDB has none such."""
    parts = [_encodable(measurement).translate(_IN_MEASUREMENT)]
    parts += [f"{_key(name)}={_tag_value(value)}" for name, value in sorted(tags) if value]
    return ",".join(parts)


def _fields(fields: Iterable[tuple[str, FieldValue]]) -> str:
    return ",".join(
        [f"{_key(name)}={text}" for name, value in sorted(fields) if (text := _value(value))]
    )


def _value(value: FieldValue) -> str:
    """Give a field's value; a whole float without `.0`, an integer with its `i`."""
    if isinstance(value, float):
        return repr(value).removesuffix(".0") if math.isfinite(value) else ""
    if isinstance(value, int):
        return f"{value:d}i"
    return f'"{_encodable(value).translate(_IN_TEXT)}"'


def _key(name: str) -> str:
    return _encodable(name).translate(_IN_KEY)


def _tag_value(value: str) -> str:
    """Give a tag's value; a last backslash is kept from escaping what follows."""
    written = _key(value)
    return f"{written} " if written.endswith("\\") else written


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
