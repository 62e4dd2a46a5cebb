"""Few held-out rows, drawn towards what is known without them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine_fits import Correction, judged
from gaussian import Floats
from network import Network, log_mean_posterior, standard_error

#: Of the held-out rows, in percent, and draws of them.
SHARES = (5, 20, 100)
DRAWS = 5
FEWEST = 10


@dataclass(frozen=True)
class Pooled:
    """`log_q` [C] with the line and the spread that it was drawn towards."""

    log_q: Floats
    slope: float
    variance: float


def pool(log_x: Floats, log_y: Floats, error: Floats, slope: float | None = None) -> Pooled:
    """Draws held-out log q towards a line in another vector by an empirical Bayes estimate.

    Model: y_c = a + s x_c + u_c + e_c with u ~ N(0, v) and e ~ N(0, error_c^2). The variance v
    maximises the restricted marginal likelihood; a and s (unless given) are its generalised least
    squares. The result is the posterior mean m_c + v / (v + error_c^2) (y_c - m_c) on the line m.
    """
    ones = np.ones((len(log_x), 1))
    design = np.column_stack([ones, log_x]) if slope is None else ones
    along = (0.0 if slope is None else slope) * log_x
    y = log_y - along
    square = np.square(error)

    def line(v: float) -> tuple[Floats, float]:
        weight = 1 / (v + square)
        gram = design.T @ (design * weight[:, None])
        beta = np.linalg.solve(gram, design.T @ (weight * y))
        residual = y - design @ beta
        evidence = (
            np.log(v + square).sum() + np.linalg.slogdet(gram)[1] + (weight * residual**2).sum()
        )
        return beta, float(evidence)

    v = float(min(np.exp(-16 + np.arange(201) / 10), key=lambda v: line(float(v))[1]))
    beta = line(v)[0]
    mean = design @ beta + along
    log_q = mean + v / (v + square) * (log_y - mean)
    log_q -= np.log(np.exp(log_q).sum())
    return Pooled(log_q, float(beta[-1]) if slope is None else slope, v)


def few(network: Network, share: int, seed: int) -> dict[str, dict[str, float]]:
    """Corrections from a random share of the held-out rows, judged."""
    rows = len(network.holdout.labels)
    size = few_rows(network, share)
    chosen = np.random.default_rng(seed).permutation(rows)[:size]
    scores = network.holdout.scores[chosen] + network.offset
    held, error = log_mean_posterior(scores), standard_error(scores)
    train = log_mean_posterior(network.train.scores + network.offset)
    log_qs = {
        "held out": held,
        "power of n": pool(network.log_prior, held, error).log_q,
        "power of q": pool(train, held, error).log_q,
        "q": pool(train, held, error, slope=1.0).log_q,
        "mean": (train + held) / 2,
    }
    return {
        name: judged(Correction(network.offset - log_q), network.test)
        for name, log_q in log_qs.items()
    }


def few_rows(network: Network, share: int) -> int:
    rows = len(network.holdout.labels)
    return max(FEWEST, round(share / 100 * rows))


def measure_few(network: Network) -> dict[str, dict[str, dict[str, float]]]:
    """Of every share the means over random draws."""
    found = {}
    for share in SHARES:
        draws = [few(network, share, seed) for seed in range(DRAWS if share < 100 else 1)]
        found[str(share)] = {
            name: {
                key: float(np.mean([draw[name][key] for draw in draws]))
                for key in draws[0][name]
            }
            for name in draws[0]
        }  # fmt: skip
    return found
