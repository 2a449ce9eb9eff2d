"""flagd_config: the flag document that an operator writes, and everything that reads or edits it.

Law: may read files and the registry's service ids; knows no InfluxDB and no Flask, and
imports no other folder of this project.
"""

from importlib import import_module

__all__: list[str] = []

_HOME: dict[str, str] = {}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that `--help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
