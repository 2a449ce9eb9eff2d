"""Sources: who reads a formula finds in its docstring where it comes from."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from openfeature_triton.dashboard import statistics

FOLDER = Path(statistics.__file__).parent
FORMULAS = (
    "always_valid", "clusters", "fixed_horizon", "guardrails", "holm", "moments", "planner",
    "quantiles", "quantiles_by_phase", "scales", "split",
)  # fmt: skip
PLACE = re.compile(r"\b(section|chapter|eq\.|pages?|proposition|lemma|theorem)\s+[0-9IVX]")
OURS = re.compile(r"[Oo]ur own|by definition|as `\w+` says")
NO_FORMULA = {"_parse_one", "_sum_of_squares"}
COMPUTING = {"sqrt", "exp", "expm1", "log", "log1p", "hypot", "einsum"}


def _computes(function: ast.FunctionDef) -> bool:
    """Whether a function multiplies, divides, or takes a root or a logarithm."""
    return any(
        (isinstance(each, ast.BinOp) and isinstance(each.op, ast.Mult | ast.Div | ast.Pow))
        or (isinstance(each, ast.Attribute) and each.attr in COMPUTING)
        for each in ast.walk(function)
    )


@pytest.mark.parametrize("name", FORMULAS)
def test_each_formula_names_its_source(name: str) -> None:
    """A section, an equation or a page of a paper, or a word that it is our own."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]
    formulas = {each.name: ast.get_docstring(each) or "" for each in functions if _computes(each)}
    assert formulas
    for function in formulas.keys() - NO_FORMULA:
        said = " ".join(formulas[function].split())
        assert PLACE.search(said) or OURS.search(said), f"{name}.{function} names no source"
