"""The effective prior of scores that lie in many partitions, summed where they lie, with Dask.

Needs Dask (pip install dask).

A PosteriorSum is a few numbers per class and pickles, so it is what a task returns; the scores stay
in their partitions. The bits of the result do not depend on the order in which the sums are added:
Ray (`ray.get`) and Spark (`rdd.mapPartitions(...).reduce(operator.add)`) work the same way.
"""

import operator

import dask.bag
import numpy as np
import prior2posterior as p2p

N_CLASSES = 100
COUNTS = np.floor(500 * 0.01 ** (np.arange(N_CLASSES) / (N_CLASSES - 1)))


def read_partition(seed: int) -> np.ndarray:
    """Stand in for reading one file of logits: [8192, 100], from a long-tailed model."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(N_CLASSES, size=2 * p2p.BLOCK_ROWS, p=COUNTS / COUNTS.sum())
    logits = rng.normal(0, 2, (labels.size, N_CLASSES)) + np.log(COUNTS / COUNTS.sum())
    logits[np.arange(labels.size), labels] += 6
    return logits.astype(np.float32)


def summed(seed: int) -> p2p.PosteriorSum:
    """Sum the posteriors of one partition."""
    return p2p.PosteriorSum(counts=COUNTS, threads=1).update(read_partition(seed))


def main() -> None:
    """Map over the partitions, add up, and compare with one pass over all rows."""
    partitions = dask.bag.from_sequence(range(6), npartitions=6)
    total = partitions.map(summed).fold(operator.add).compute(scheduler="processes", num_workers=2)
    prior = total.compute()
    print(p2p.inspect(prior))

    # Partitions of whole blocks (4,096 rows) give the very bits of one pass.
    at_once = p2p.estimate_prior((read_partition(seed) for seed in range(6)), counts=COUNTS)
    assert np.array_equal(prior.effective, at_once.effective)
    print(f"{prior.n_rows} rows in 6 partitions: the same bits as one pass")


if __name__ == "__main__":
    main()
