"""flagd_config: the flag document that an operator writes, and everything that reads or edits it.

Law: may read files and the registry's service ids; knows no InfluxDB and no Flask, and
imports no other folder of this project.

The way of a document through its modules:

    read       versions, syntax, yaml_syntax, json_values, json_members, document_reader, document,
               flag_shape, evaluators, frozen_dict, give_way, errors, example_files
    known      experiment, targeting, fractional, dates, languages, shipped, phase
    evaluated  bucketing, operators, reference, trial
    checked    lint, document_rules, flag_rules, variant_rules, split_rules, targeting_rules,
               date_rules, metadata_rules, planned_rules, traffic_rules, registry_services,
               rules, positions, places, placing, findings, lint_formats
    explained  trace, explain
    planned    assigner, plan, split_order, forecast, plan_picture, plan_page
    edited     new_experiment, flag_layout, flag_text, ramp, life_cycle, edit, file_change, audit,
               experiment_view
    by hand    command_line, options, offers, progress, tables, counted, doctor, commands,
               explain_commands, plan_commands, experiment_commands, new_commands, doctor_commands
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openfeature_triton.flagd_config.document import (
        Document,
        parse_document,
        read_document,
    )
    from openfeature_triton.flagd_config.document_reader import (
        DocumentReader,
    )
    from openfeature_triton.flagd_config.errors import (
        BrokenExperimentError,
        FlagFileError,
        MalformedFileError,
        RefusedByFlagdError,
        UnreadableFileError,
    )
    from openfeature_triton.flagd_config.example_files import (
        example,
        example_task_types,
    )
    from openfeature_triton.flagd_config.experiment import (
        Experiment,
    )

__all__ = [
    "BrokenExperimentError",
    "Document",
    "DocumentReader",
    "Experiment",
    "FlagFileError",
    "MalformedFileError",
    "RefusedByFlagdError",
    "UnreadableFileError",
    "example",
    "example_task_types",
    "parse_document",
    "read_document",
]

_HOME = {
    "Document": "document",
    "parse_document": "document",
    "read_document": "document",
    "DocumentReader": "document_reader",
    "BrokenExperimentError": "errors",
    "FlagFileError": "errors",
    "MalformedFileError": "errors",
    "RefusedByFlagdError": "errors",
    "UnreadableFileError": "errors",
    "example": "example_files",
    "example_task_types": "example_files",
    "Experiment": "experiment",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for, so that `--help` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
