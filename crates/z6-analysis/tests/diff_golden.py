"""Prints the golden values of src/diff/golden.rs. Needs scipy and numpy; no test runs it."""

import math

import numpy as np
import scipy
from scipy import optimize, stats


def t_multipliers():
    for outside, degrees in [(0.05, 1), (0.05, 2), (0.05, 7), (0.05, 19), (0.0045, 7),
                             (0.00625, 31), (0.00625, 38), (0.001, 5), (0.05, 2000)]:
        yield outside, degrees, stats.t.ppf(1 - outside / 2, degrees)


def t_within():
    for t, degrees in [(0.5, 1), (1.0, 2), (2.5, 3), (2.0, 10), (3.3, 31), (0.01, 6)]:
        yield t, degrees, 1 - 2 * stats.t.sf(t, degrees)


def wilson():
    for failed, count in [(0, 50), (3, 1000), (500, 1000), (50, 50)]:
        interval = stats.binomtest(failed, count).proportion_ci(0.95, "wilson")
        yield failed, count, interval.low, interval.high


def signed_rank(count, outside):
    """Largest r with P(W <= r - 1) <= outside / 2, from scipy's exact distribution."""
    rank = 0
    values = np.arange(1.0, count + 1)
    for statistic in range(count * (count + 1) // 2 + 1):
        # Signs such that the sum of positive ranks is `statistic`.
        left, signs = statistic, -np.ones(count)
        for index in reversed(range(count)):
            if values[index] <= left:
                signs[index], left = 1.0, left - values[index]
        p = stats.wilcoxon(values * signs, alternative="less", method="exact").pvalue
        if p > outside / 2:
            return rank
        rank = statistic + 1


VALUES = [0.8, 1.9, -0.4, 2.7, 3.1, 0.2, 1.1, 2.2, 1.6, -1.3, 9.5, 1.4]


def hodges_lehmann(outside):
    walsh = sorted((VALUES[i] + VALUES[j]) / 2
                   for i in range(len(VALUES)) for j in range(i, len(VALUES)))
    rank = signed_rank(len(VALUES), outside)
    return float(np.median(walsh)), walsh[rank - 1], walsh[-rank]


A = [10.1, 10.4, 9.8, 10.0]
B = [11.2, 10.9, 11.9]


def welch(outside):
    interval = stats.ttest_ind(B, A, equal_var=False).confidence_interval(1 - outside)
    df = stats.ttest_ind(B, A, equal_var=False).df
    # Degrees of freedom rounded down, as Z6 does: scale the half width.
    half = (interval.high - interval.low) / 2
    half *= stats.t.ppf(1 - outside / 2, math.floor(df)) / stats.t.ppf(1 - outside / 2, df)
    centre = np.mean(B) - np.mean(A)
    return centre - half, centre + half, df


def mean_of_runs(outside):
    return stats.t.interval(1 - outside, len(A) - 1, np.mean(A), stats.sem(A))


def ratio(a, a_low, a_high, b, b_low, b_high):
    """The ends of b / a as roots, where the closed form is not used."""
    def below(r):
        return b - r * a - math.hypot(b - b_low, r * (a_high - a))

    def above(r):
        return b - r * a + math.hypot(b_high - b, r * (a - a_low))
    return (optimize.brentq(below, 0, 10 * b / a, xtol=1e-15) - 1,
            optimize.brentq(above, 0, 10 * b / a, xtol=1e-15) - 1)


def batch_error(series):
    """Standard error of a sum of deviations from uncorrelated batches."""
    return stats.sem(series) * len(series)


if __name__ == "__main__":
    print("scipy", scipy.__version__)
    for name, rows in [("t_multiplier", t_multipliers()), ("t_within", t_within()),
                       ("wilson", wilson())]:
        for row in rows:
            print(name, *(repr(float(x)) if isinstance(x, float) else x for x in row))
    for count, outside in [(6, 0.05), (9, 0.05), (9, 0.0045), (8, 0.0045), (20, 0.05), (32, 0.0045)]:
        print("signed_rank", count, outside, signed_rank(count, outside))
    print("hodges_lehmann", hodges_lehmann(0.05))
    print("welch", *map(float, welch(0.05)), *map(float, welch(0.00625)))
    print("mean_of_runs", *map(float, mean_of_runs(0.05)))
    print("ratio", ratio(100.0, 96.0, 105.0, 110.0, 104.0, 118.0))
    print("ratio, wide", ratio(100.0, 20.0, 350.0, 90.0, 10.0, 300.0))
    print("batch_error", float(batch_error([3.0, -1.0, -2.0, 1.0, -1.0, 2.0, -3.0, 1.0])))
