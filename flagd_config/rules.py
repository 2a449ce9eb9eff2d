"""The rules of `lint`, in one table: the README's is tested against it."""

from __future__ import annotations

from openfeature_triton.flagd_config.findings import ERROR, NOTE, WARNING, Rule

_RULES = (
    # The file
    Rule("unreadable", ERROR, "the file is missing, a directory, or may not be read"),
    Rule(
        "syntax", ERROR, "not UTF-8, not JSON or YAML, cut off, nested too deeply, half characters"
    ),
    Rule("duplicate-key", ERROR, "a key stands twice in one object; readers keep the last"),
    Rule("schema", ERROR, "flagd's schema: evaluators refuse the flag, and the file with it"),
    Rule("wipes-all-flags", ERROR, "applied, the document would remove every flag"),
    Rule("secret", ERROR, "a password, token or key pasted into the file"),
    # Variants and services
    Rule("variant-unknown", ERROR, "targeting or the default names a variant that is not there"),
    Rule("variant-unreachable", WARNING, "a variant that nobody can be sent to"),
    Rule("variant-types", WARNING, "variants of different types: flagd's schema wants one"),
    Rule("variant-removed", ERROR, "a variant was removed or renamed while its experiment runs"),
    Rule("variant-without-service", ERROR, 'an experiment\'s variant is not {"service": "<id>"}'),
    Rule("service-unknown", ERROR, "the service is not in the registry"),
    Rule("service-unpublished", ERROR, "the service is in the registry and not published"),
    Rule("service-wrong-task", ERROR, "the service does another task than the experiment"),
    Rule("same-service", WARNING, "two variants of one experiment are the same service"),
    Rule("control", ERROR, "no control, or one that is not a variant"),
    Rule("default-variant", ERROR, "an experiment's default sends in everyone who does not match"),
    # The split
    Rule("split-missing", ERROR, "an experiment without `fractional`"),
    Rule("split-several", ERROR, "an experiment with several `fractional`s"),
    Rule("split-shape", ERROR, "a share that is not [variant, weight], or a constant to bucket by"),
    Rule("weight-type", ERROR, "a float or other weight that is no whole number: no variant"),
    Rule("weight-negative", ERROR, "a negative weight, which counts as 0"),
    Rule("weights-zero", ERROR, "all weights are 0: no variant"),
    Rule("weights-sum", ERROR, "weights that add up to more than 2^31 - 1: no variant"),
    Rule("weight-omitted", WARNING, "a share without a weight, which counts as 1"),
    Rule(
        "weights-planned", ERROR, "weights that are not those of the metadata's `planned_weights`"
    ),
    Rule("bucketing-attribute", WARNING, "a split by an attribute that requests may not have"),
    # Targeting
    Rule("operator", ERROR, "an operator that flagd does not know, or an object that is no rule"),
    Rule("condition-never", WARNING, "a condition that can never hold"),
    Rule("condition-always", WARNING, "a condition that always holds"),
    Rule("language-tag", WARNING, "a language that is not in BCP 47's canonical form"),
    Rule("task-type", WARNING, "a task type that is unknown, or not the experiment's own"),
    Rule("evaluation", ERROR, "the targeting raises an error when it is evaluated"),
    Rule("overlap", WARNING, "two running experiments on the same traffic, in no stated order"),
    Rule("overlap-ordered", NOTE, "two running experiments on the same traffic, by priority"),
    # Metadata
    Rule("metadata-primitive", ERROR, "metadata that is no text, number or boolean"),
    Rule("metadata-key", WARNING, "a metadata key that nothing reads (with a suggestion)"),
    Rule("metadata-type", ERROR, "a metadata value of the wrong type or out of its range"),
    Rule("guardrails", ERROR, "guardrails that cannot be read"),
    Rule("dates", ERROR, "a `start` or `end` that is no date, or `start` after `end`"),
    Rule(
        "dates-differ", WARNING, "a date that the targeting, which evaluators obey, says otherwise"
    ),
    Rule("ended", WARNING, "a running experiment whose `end` has passed"),
    Rule("planned-requests", WARNING, "planned requests too few to find the minimum effect"),
    Rule("tag", ERROR, "a flag key or variant that would not survive as an InfluxDB tag"),
    Rule("experiment", ERROR, "anything else for which the experiment cannot work"),
)

RULES = {rule.id: rule for rule in _RULES}
