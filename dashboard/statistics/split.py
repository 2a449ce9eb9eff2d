"""Broken split: whether each variant gets the share that its weight promises.

For requests the sequential multinomial test of Lindon & Malek 2022, "Anytime-valid inference for
multinomial count data", section 2: a Dirichlet(k·w) mixture against the weights w.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from openfeature_triton.dashboard.statistics.always_valid import Floats, log_evidence
from openfeature_triton.dashboard.statistics.clusters import worth_in_users

ALARM = 0.001
CONCENTRATION = 1000.0
USER_SHARE_SCALE = 0.02
"""τ for the treatment's share of users' requests: two points off is what is looked for."""
ENOUGH_USERS = 20.0
"""How many equally busy users of the smaller arm make its share worth anything."""


def log_split_evidence(counts: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Give ln e against the split being as the weights say.

    ln e = lnΓ(Σα) − lnΓ(Σα + N) + Σ[lnΓ(α_i + n_i) − lnΓ(α_i)] − Σ n_i ln w_i, α_i = k·w_i.
    Lindon & Malek 2022, section 2. Infinite where a variant of weight 0 got something.

    Args:
        counts: (…, variants) exposures of each variant so far.
        weights: (variants,) of any scale.
    """
    n, w = np.asarray(counts, float), np.asarray(weights, float)
    if w.sum() <= 0:
        return np.zeros(n.shape[:-1])
    w = w / w.sum()
    used = w > 0
    misplaced = n[..., ~used].sum(axis=-1) > 0
    n, w = n[..., used], w[used]
    a = CONCENTRATION * w
    total = n.sum(axis=-1)
    found = gammaln(CONCENTRATION) - gammaln(CONCENTRATION + total)
    found = found + (gammaln(a + n) - gammaln(a) - n * np.log(w)).sum(axis=-1)
    return np.where(misplaced, np.inf, found)


def log_user_split_evidence(treated: npt.ArrayLike, both: npt.ArrayLike, share: float) -> Floats:
    """Give ln e against the treatment's share of requests being `share`, when users are the unit.

    Requests of one user are no independent draws, so the multinomial test would call a few heavy
    users a broken split. Our own derivation: of users with m requests each, all of which are
    treated with the chance w, the share Σ(m·T)/Σm has the variance w(1 − w)·Σm²/(Σm)². That is
    w(1 − w) over what the users of both arms are worth (`clusters.worth_in_users`): nothing in it
    depends on who got what. The evidence is that of `always_valid`. 0 below `ENOUGH_USERS` in the
    smaller arm; infinite where an arm of weight 0 got something.

    Args:
        treated: (…, buckets) requests of the treatment in each bucket.
        both: (…, buckets) requests of treatment and control in each bucket.
        share: the treatment's share by weight, between 0 and 1.
    """
    n1, n = (np.asarray(each, float).sum(axis=-1) for each in (treated, both))
    found = np.where(n > 0, n1 / np.maximum(n, 1.0), share)
    if not 0 < share < 1:
        return np.where(found != share, np.inf, 0.0)
    users = worth_in_users(both)
    se = np.sqrt(share * (1 - share) / np.maximum(users, 1.0))
    log_e = log_evidence(found - share, se, USER_SHARE_SCALE)
    return np.where(users * min(share, 1 - share) >= ENOUGH_USERS, log_e, 0.0)


def log_mean(log_e: npt.ArrayLike) -> Floats:
    """Give the ln of the mean of several e-values, along the last axis; 0 of none.

    A mean of e-values is one whatever they have to do with each other (Vovk & Wang 2021,
    "E-values: calibration, combination and applications", section 3, theorem 3.2): the same users
    come back in the next phase, so theirs may not be multiplied.
    """
    given = np.asarray(log_e, float)
    if given.shape[-1] == 0:
        return np.zeros(given.shape[:-1])
    return np.asarray(np.logaddexp.reduce(given, axis=-1) - np.log(given.shape[-1]))


def log_over_phases(log_e: npt.ArrayLike, *, are_independent: bool) -> Floats:
    """Give ln e against the splits of all phases, from each one's along the last axis.

    Our own derivation. Σ e_k/(k(k + 1)) over all phases that may ever come is an e-value, for these
    weights add up to 1: it finds a phase that is broken alone, however many fine ones there are.
    Those that did not begin have e = 1, and 1/(K + 1) in all. Where phases are independent, so is
    their product, which finds what is a bit off in each; half of either is taken (`log_mean`).
    """
    given = np.asarray(log_e, float)
    nth = np.arange(1, given.shape[-1] + 1)
    begun = np.logaddexp.reduce(given - np.log(nth * (nth + 1.0)), axis=-1)
    mixture = np.logaddexp(begun, -np.log(given.shape[-1] + 1.0))
    if not are_independent:
        return np.asarray(mixture)
    return log_mean(np.stack([mixture, given.sum(axis=-1)], axis=-1))
