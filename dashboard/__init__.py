"""dashboard: from what was recorded to a sentence that says what to do.

Law: reads `hooks` (the schema of what was recorded) and `flagd_config`; only `dashboard.demo`,
which plays operator, service and stakeholder at once, also imports `provider`.
"""

from importlib import import_module

__all__: list[str] = []

_HOME: dict[str, str] = {}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that `--help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
