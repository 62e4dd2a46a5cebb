"""Estimators of the effective prior that look beyond the mean posterior of the training rows.

Rows that a network knows by heart have posteriors of 0 and 1, and their mean is the class
frequencies whatever the network believes elsewhere. Rows that were held out give another prior. The
estimators here ask what the scores, the features before the last layer and that layer tell of the
held-out prior, without a held-out row or with few of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from affine_fits import Correction, judged, p2p_at_temperature, stretched, vector_scaling
from gaussian import Floats, normalised
from gaussian_head import gaussian_log_q
from leave_one_out import cross_fitted_scores, leave_one_out_scores
from linear_head import fit_head, stationary_decay, with_bias
from network import Network, log_mean_posterior
from pooling import SHARES, few_rows, measure_few

GAMMAS = (0.05, 0.1)


def p2p(network: Network, log_q: Floats) -> Correction:
    """The correction to the uniform target whose effective prior is q."""
    return Correction(network.offset - log_q)


def population_log_q(network: Network) -> Floats:
    """log q from test rows weighted to the training prior: what many held-out rows would give."""
    p = np.exp(normalised(network.test.scores + network.offset))
    labels = network.test.labels
    sizes = np.bincount(labels, minlength=len(network.counts))
    weight = (network.counts / np.maximum(sizes, 1))[labels]
    log_q: Floats = np.log(weight @ p / weight.sum())
    return log_q


def with_held_out_rows(network: Network) -> dict[str, Correction]:
    """What the estimators are beside."""
    held = network.holdout
    return {
        "none": Correction(np.zeros(len(network.head))),
        "training rows": p2p(network, log_mean_posterior(network.train.scores + network.offset)),
        "class frequencies": p2p(network, network.log_prior),
        "held-out rows": p2p(network, log_mean_posterior(held.scores + network.offset)),
        "population": p2p(network, population_log_q(network)),
        "held-out rows, z / T": p2p_at_temperature(held.scores, held.labels, network.offset),
        "held-out rows, vector scaling": vector_scaling(
            held.scores, held.labels, network.offset, network.counts
        ),
    }


def without_held_out_rows(network: Network) -> dict[str, Correction]:
    """Corrections by estimators that see training rows alone."""
    x, y, offset = network.train.features, network.train.labels, network.offset
    classes, penalty = len(network.head), network.decay * len(y)
    own = len(y) * stationary_decay(x, y, network.head, offset)
    loo = leave_one_out_scores(x, network.train.scores, y, own, offset)
    refit = fit_head(x, y, classes, penalty, offset, network.head)
    is_optimum = np.allclose(refit, network.head, atol=1e-3) and np.isclose(own, penalty, 1e-2)
    refit_loo = (
        loo if is_optimum else leave_one_out_scores(x, with_bias(x) @ refit.T, y, penalty, offset)
    )
    crossed = cross_fitted_scores(x, y, classes, penalty, offset, refit)
    gaussian, gaussian_loo = gaussian_log_q(network)
    log_q = log_mean_posterior(network.train.scores + offset)
    return {
        "loo": p2p(network, log_mean_posterior(loo + offset)),
        "loo, refitted head": p2p(network, log_mean_posterior(refit_loo + offset)),
        "5 folds": p2p(network, log_mean_posterior(crossed + offset)),
        "Gaussian loo": p2p(network, gaussian_loo),
        "Gaussian loo, shift": p2p(network, log_q + gaussian_loo - gaussian),
        "loo, z / T": p2p_at_temperature(loo, y, offset),
        "loo, vector scaling": vector_scaling(loo, y, offset, network.counts),
        **{
            f"stretched {gamma:g}": stretched(network.train.scores, network.counts, offset, gamma)
            for gamma in GAMMAS
        },
    }


def measure_network(network: Network) -> dict[str, Any]:
    """Every estimator on one network, and pooling of few held-out rows, as JSON."""
    scores = network.train.scores + network.offset
    corrections = with_held_out_rows(network) | without_held_out_rows(network)
    return {
        "rows": {
            "train": len(network.train.labels),
            "holdout": len(network.holdout.labels),
            "test": len(network.test.labels),
        },
        "train_accuracy": float((scores.argmax(axis=1) == network.train.labels).mean()),
        "estimators": {name: judged(c, network.test) for name, c in corrections.items()},
        "few_rows": {str(share): few_rows(network, share) for share in SHARES},
        "few": measure_few(network),
    }
