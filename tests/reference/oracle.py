"""Every method of docs/methods in plain NumPy float64, written apart from the C++ code.

z [N, C] scores, x = z / T + d what a softmax is taken of, y [N] labels, w [N] weights of rows;
priors are vectors that sum to 1. Convex fits are done by Newton's method, to about 1e-12.
"""

import numpy as np
import scipy.optimize
from reference import log_softmax, normalised, softmax


def centred(vector):
    return vector - vector.mean()


def uniform(classes):
    return np.full(classes, 1 / classes)


def label_shares(y, classes):
    return np.bincount(y, minlength=classes) / len(y)


def weights_towards(prior, y):
    """Weights that make labelled rows follow a prior."""
    return (prior / label_shares(y, len(prior)))[y]


def mean_posterior(x, w=None):
    return np.average(softmax(x), axis=0, weights=w)


def nll(x, y, w=None):
    return np.average(-log_softmax(x)[np.arange(len(y)), y], weights=w)


# Fixed points


def match(z, goal, rounds=100_000):
    """f, mean 0, with mean softmax(z + f) = goal."""
    f = np.zeros(z.shape[1])
    for _ in range(rounds):
        step = np.log(goal) - np.log(mean_posterior(z + f))
        f = f + step
        if np.ptp(step) < 1e-14:
            break
    return centred(f)


def em(x, s, rounds=100_000):
    """t of the rows, from their posterior softmax(x) under the prior s."""
    t = s
    for _ in range(rounds):
        previous, t = t, mean_posterior(x - np.log(s) + np.log(t))
        if np.abs(np.log(t) - np.log(previous)).max() < 1e-14:
            break
    return t


def kl(p, q):
    return np.sum(p * np.log(p / q))


def map_em_share(s, t_em):
    """lambda of MAPLS: how far the mean posterior is trusted against the uniform prior."""

    def f(d, g):
        return g * d / (1 + g * d)

    def inv(x):
        return 2 * (1 / (1 - x) - 1)

    u = uniform(len(s))
    trust = 1 - f(kl(s, u), inv(0.2))
    return 0.9 * f(kl(t_em, u), inv(trust)) + 0.1 * (1 - f(kl(t_em, s), inv(trust)))


def map_em(x, s, rounds=100_000):
    share = map_em_share(s, em(x, s))
    t = s
    for _ in range(rounds):
        mean = mean_posterior(x - np.log(s) + np.log(t))
        previous, t = t, share * mean + (1 - share) * uniform(len(s))
        if np.abs(np.log(t) - np.log(previous)).max() < 1e-14:
            break
    return t


# Confusion matrices


def predictions(x, hard):
    """Posteriors, or 1 for the largest score and 0 for the others."""
    return np.eye(x.shape[1])[x.argmax(axis=1)] if hard else softmax(x)


def joint(x, y, hard):
    """M[i, c]: prediction i together with label c, over labelled rows; sums to 1."""
    return predictions(x, hard).T @ np.eye(x.shape[1])[y] / len(y)


def bbse_weights(held, y, target, hard):
    return np.linalg.solve(joint(held, y, hard), predictions(target, hard).mean(axis=0))


def rlls_radius(classes, rows, failure=0.05, share=0.01):
    """Three times the paper's Delta_C, times the share that its authors' code takes of it."""
    log_term = np.log(2 * classes / failure)
    return share * 3 * (2 * log_term / (3 * rows) + np.sqrt(2 * log_term / rows))


def rlls_weights(held, y, target, hard):
    """1 + argmin |M theta - b| + Delta |theta|, where no bound theta >= -1 is met: theta solves a
    ridge problem then; its lambda = Delta |M theta - b| / |theta| is iterated to a fixed point."""
    m = joint(held, y, hard)
    b = predictions(target, hard).mean(axis=0) - m.sum(axis=1)
    radius = rlls_radius(len(m), len(y))
    penalty = radius
    for _ in range(10_000):
        theta = np.linalg.solve(m.T @ m + penalty * np.eye(len(m)), m.T @ b)
        previous = penalty
        penalty = radius * np.linalg.norm(m @ theta - b) / np.linalg.norm(theta)
        if abs(penalty - previous) < 1e-15 * penalty:
            break
    assert (theta > -1).all()
    return 1 + theta


def importance_target(weights, shares):
    """t proportional to w pi_h, where negative weights count as 0."""
    return normalised(np.maximum(weights, 0) * shares)


# Fits


def newton(features, base, y, w):
    """theta that minimises the weighted loss of x = base + sum_k theta_k features_k; features
    [K, N, C]. The loss is convex in theta."""
    theta = np.zeros(len(features))
    w = w / w.sum()
    rows = np.arange(len(y))

    def scores(theta):
        return base + np.tensordot(theta, features, 1)

    def loss(theta):
        return nll(scores(theta), y, w)

    for _ in range(100):
        p = softmax(scores(theta))
        mean = np.einsum("knc,nc->kn", features, p)
        gradient = (mean - features[:, rows, y]) @ w
        root = np.sqrt(w[:, None] * p) * (features - mean[:, :, None])
        root = root.reshape(len(features), -1)
        step = np.linalg.solve(root @ root.T, gradient)
        size = 1.0
        while size > 1e-3 and loss(theta - size * step) > loss(theta) + 1e-15:
            size /= 2
        theta = theta - size * step
        if np.abs(step).max() < 1e-12:
            break
    return theta


def one_class(c, shape):
    feature = np.zeros(shape)
    feature[:, c] = 1
    return feature


def fit_temperature(z, y, w=None, offset=0.0):
    """T of softmax(z / T + offset)."""
    w = np.ones(len(y)) if w is None else w
    (extra,) = newton(z[None], z + offset, y, w)
    return 1 / (1 + extra)


def fit_bias(z, y, w=None):
    """T and d, mean 0, of softmax(z / T + d): bias-corrected temperature scaling."""
    w = np.ones(len(y)) if w is None else w
    classes = z.shape[1]
    free = [one_class(c, z.shape) for c in range(classes - 1)]
    theta = newton(np.array([z, *free]), z, y, w)
    return 1 / (1 + theta[0]), centred(np.append(theta[1:], 0.0))


def fit_vector_scaling(z, y, w=None):
    """w_c and d, mean 0, of softmax(w z + d)."""
    w = np.ones(len(y)) if w is None else w
    classes = z.shape[1]
    columns = [z * one_class(c, z.shape) for c in range(classes)]
    free = [one_class(c, z.shape) for c in range(classes - 1)]
    theta = newton(np.array(columns + free), z, y, w)
    return 1 + theta[:classes], centred(np.append(theta[classes:], 0.0))


# DROPS


def class_losses(x, y):
    losses = -log_softmax(x)[np.arange(len(y)), y]
    return np.array([losses[y == c].mean() for c in range(x.shape[1])])


def worst_prior(losses, eps):
    """g that maximises sum g_c L_c under KL(g | uniform) <= eps."""
    u = uniform(len(losses))
    if eps == 0:
        return u

    def at(log_lambda):
        return softmax(losses / np.exp(log_lambda))

    low, high = -20.0, 20.0  # KL falls as lambda grows
    for _ in range(200):
        middle = (low + high) / 2
        if kl(np.maximum(at(middle), 1e-300), u) > eps:
            low = middle
        else:
            high = middle
    return at(high)


def drops(z, y, log_r, eps):
    """g that is the worst prior in the ball at the losses it leads to itself. Either all losses are
    equal inside the ball, or L_c(g) - lambda log g_c is the same for all c and KL(g | u) = eps."""
    classes = z.shape[1]
    if eps == 0:
        return uniform(classes)

    def spread(log_g, strength):
        return centred(class_losses(z - log_r + log_g, y) - strength * log_g)

    def at_the_bound(unknown):
        log_g = log_softmax(unknown[:-1])
        bound = kl(np.exp(log_g), uniform(classes)) - eps
        return np.append(spread(log_g, np.exp(unknown[-1])) + unknown[:-1].mean(), bound)

    start = np.zeros(classes)
    inside = solved(lambda u: spread(log_softmax(u), 0.0) + u.mean(), start)
    g = softmax(inside)
    if kl(g, uniform(classes)) <= eps:
        return g
    start = np.sqrt(eps) * centred(class_losses(z - log_r, y))
    return softmax(solved(at_the_bound, np.append(start, 0.0))[:-1])


def solved(equations, start):
    root = scipy.optimize.root(equations, start, method="hybr", options={"xtol": 1e-13})
    assert np.abs(equations(root.x)).max() < 1e-10, root
    return root.x


# GLA


def gla(first, second, y, pi):
    """T of the first model, T and prior q of the second, from labelled rows: the first is
    calibrated under the training prior pi, the second under the shares of the labels."""
    first_t = fit_temperature(first, y, weights_towards(pi, y))
    second_t, d = fit_bias(second, y)
    q = normalised(label_shares(y, len(pi)) * np.exp(-d))
    return first_t, second_t, q
