"""Broken split: whether each variant gets the share that its weight promises.

For requests the sequential multinomial test of Lindon & Malek 2022, "Anytime-valid inference for
multinomial count data", section 2 (equation 4): a Dirichlet(k·w) mixture against the weights w.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from openfeature_triton.dashboard.statistics.always_valid import Floats, log_evidence
from openfeature_triton.dashboard.statistics.clusters import ratio

ALARM = 0.001
CONCENTRATION = 1000.0
USER_SHARE_SCALE = 0.02
"""τ for the treatment's share of users' requests: two points off is what is looked for."""


def log_split_evidence(counts: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Give ln e against the split being as the weights say; phases add theirs.

    ln e = lnΓ(Σα) − lnΓ(Σα + N) + Σ[lnΓ(α_i + n_i) − lnΓ(α_i)] − Σ n_i ln w_i, α_i = k·w_i.
    Infinite where a variant of weight 0 got something.

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


def log_user_split_evidence(treated: npt.ArrayLike, both: npt.ArrayLike, share: float) -> float:
    """Give ln e against the treatment's share of requests being `share`, when users are the unit.

    The share is a ratio over cluster buckets (see `clusters`): requests of one user are no
    independent draws, so the multinomial test would call a few heavy users a broken split.

    Args:
        treated: (buckets,) requests of the treatment in each bucket.
        both: (buckets,) requests of treatment and control in each bucket.
        share: the treatment's share by weight, between 0 and 1.
    """
    found, se = ratio(treated, both)
    return float(log_evidence(found - share, se, USER_SHARE_SCALE))
