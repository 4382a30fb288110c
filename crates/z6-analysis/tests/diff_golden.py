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


def side(values, mu, v):
    """Density of the values of a side around mu: at most one of them is wild."""
    def normal(y, variance):
        return math.exp(-(y - mu) ** 2 / (2 * variance)) / math.sqrt(2 * math.pi * variance)

    plain = [normal(y, v) for y in values]
    density = math.prod(plain)
    for i in range(len(values)):
        rest = math.prod(plain[:i] + plain[i + 1:])
        density += 0.05 / 0.95 * normal(values[i], 100 * v) * rest
    return density


def change_of_runs(a, b, prior, outside, step=0.004, reach=1.6):
    """The ends of the interval for the level of b less that of a, by brute-force integration over the
    levels and the variance. Without `a`: for the level of b."""
    centre_a, centre_b = (sum(x) / len(x) if x else 0.0 for x in (a, b))
    offsets = [i * step - reach for i in range(round(2 * reach / step) + 1)]
    layers = []
    for k in range(56):
        v = prior * math.exp(-4.0 + 0.2 * k)
        # Scaled inverse chi-square with two degrees of freedom, times v for d log v.
        weight = v ** -1.0 * math.exp(-prior / v)
        sums = [0.0]
        for x in offsets:
            sums.append(sums[-1] + side(b, centre_b + x, v))
        of_a = [(x, side(a, centre_a + x, v)) for x in offsets] if a else [(0.0, 1.0)]
        largest = max(density for _, density in of_a)
        of_a = [(x, density) for x, density in of_a if density > 1e-10 * largest]
        layers.append((weight, of_a, sums))

    def below(sums, x):
        # Cells are centred on the offsets.
        at = min(max((x + reach) / step + 0.5, 0.0), len(sums) - 1.0)
        left = min(int(at), len(sums) - 2)
        return sums[left] + (at - left) * (sums[left + 1] - sums[left])

    def share(x):
        part = total = 0.0
        for weight, of_a, sums in layers:
            for offset, density in of_a:
                part += weight * density * below(sums, x + offset)
                total += weight * density * sums[-1]
        return part / total

    def end(p):
        low, high = -reach, reach
        for _ in range(26):
            middle = (low + high) / 2
            low, high = (middle, high) if share(middle) < p else (low, middle)
        return centre_b - centre_a + (low + high) / 2

    return end(outside / 2), end(1 - outside / 2)


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
    logs = [[math.log(x) for x in side] for side in (A, B)]
    for outside in (0.05, 0.00625):
        print("several runs", change_of_runs(*logs, 0.0017, outside))
    print("a wild run", change_of_runs(logs[0], logs[1] + [math.log(19.0)], 0.0017, 0.05))
    print("pairs of runs", change_of_runs([], [0.1, 0.12, 0.11], 0.0033, 0.05))
    print("ratio", ratio(100.0, 96.0, 105.0, 110.0, 104.0, 118.0))
    print("ratio, wide", ratio(100.0, 20.0, 350.0, 90.0, 10.0, 300.0))
    print("batch_error", float(batch_error([3.0, -1.0, -2.0, 1.0, -1.0, 2.0, -3.0, 1.0])))
