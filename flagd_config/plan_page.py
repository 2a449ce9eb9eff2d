"""A plan as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from openfeature_triton.flagd_config.errors import one_line
from openfeature_triton.flagd_config.findings import Finding
from openfeature_triton.flagd_config.forecast import Forecast
from openfeature_triton.flagd_config.plan import MovePlan, SliceMoves
from openfeature_triton.flagd_config.plan_picture import moved, said

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#111;background:#fff}
.bar{display:flex;align-items:center;gap:.6rem;margin:.2rem 0}.bar b{width:3.5rem;font-weight:400}
.bar div{display:flex;flex:1;height:1.6rem;border-radius:4px;overflow:hidden}
i{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.4rem}
table{border-collapse:collapse;margin:.6rem 0}td,th{padding:.2rem .8rem .2rem 0;text-align:left;
font-weight:400}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
tr:first-child th{color:#555}li{margin:.3rem 0;overflow-wrap:anywhere}"""
_COLOURS = ("#dfe3e8", "#8ecae6", "#ffb703", "#95d5b2", "#f4a6a6", "#cdb4db", "#ffd6a5", "#a3b18a")


def as_html(
    plan: MovePlan,
    title: str,
    forecasts: Sequence[Forecast] = (),
    findings: Sequence[Finding] = (),
) -> str:
    """Give a plan as one page without scripts; `title` says of what."""
    parts = [f"<h1>{escape(title)}</h1>"]
    for each in plan.slices:
        language = escape(each.language or "other languages")
        parts.append(f"<h2>{escape(each.task_type)} {language}</h2><p>{moved(each)}</p>")
        parts += _html_slice(each) if each.moves else ()
    lines = said(plan, forecasts, findings)
    if lines:
        items = "".join(f"<li>{escape(one_line(line))}</li>" for line in lines)
        parts.append(f"<h2>To be known before it is applied</h2><ul>{items}</ul>")
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _html_slice(each: SliceMoves) -> Iterator[str]:
    """Give the bars of before and after, what they stand for, and the moves."""
    names = sorted({*each.before, *each.after})
    colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
    yield _html_bar("before", each.before, colours)
    yield _html_bar("after", each.after, colours)
    yield _html_table(
        ("", "before", "after"),
        [
            (
                f'<i style="background:{colours[name]}"></i>{escape(name)}',
                f"{each.before.get(name, 0):.2%}",
                f"{each.after.get(name, 0):.2%}",
            )
            for name in names
        ],
    )
    moves = [(f"{escape(m.before)} → {escape(m.after)}", f"{m.share:.2%}") for m in each.moves]
    yield _html_table(("who moves", "of the keys"), moves)


def _html_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table whose first column is text and whose others are numbers."""
    first, *others = heading
    head = f'<th scope="col">{first}</th>' + "".join(
        f'<th scope="col" class="n">{name}</th>' for name in others
    )
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f'<td class="n">{cell}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _html_bar(when: str, shares: Mapping[str, float], colours: Mapping[str, str]) -> str:
    spans = (
        f'<span style="width:{shares[name]:.4%};background:{colour}" '
        f'title="{escape(name)} {shares[name]:.2%}"></span>'
        for name, colour in colours.items()
        if name in shares
    )
    return f'<div class="bar"><b>{when}</b><div>{"".join(spans)}</div></div>'
