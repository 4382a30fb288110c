//! Distributions that intervals are read from: Student's t and the Wilcoxon signed-rank statistic.
//! Knows nothing of runs. Only the four operations and square roots, which IEEE 754 fixes, so the
//! same input gives the same bits on every machine.

/// More degrees of freedom than this are taken as this many: the quantile is then within 0.1 % of
/// the normal one.
const DEGREES_MAX: u32 = 2_000;

/// P(|T| <= t) for Student's t with `degrees` degrees of freedom: the finite series of Abramowitz
/// and Stegun, *Handbook of Mathematical Functions*, 26.7.3 and 26.7.4.
pub(super) fn t_within(t: f64, degrees: u32) -> f64 {
    let degrees = degrees.clamp(1, DEGREES_MAX);
    let nu = f64::from(degrees);
    let cos2 = nu / (nu + t * t);
    let sin = t / (nu + t * t).sqrt();
    let odd = degrees % 2 == 1;
    let (mut term, mut index) = if odd { (cos2.sqrt(), 2) } else { (1.0, 1) };
    let mut sum = 0.0;
    // Terms up to the power degrees - 2 of the cosine; none for one degree.
    let terms = if odd { (degrees - 1) / 2 } else { degrees / 2 };
    for _ in 0..terms {
        sum += term;
        term *= cos2 * f64::from(index) / f64::from(index + 1);
        index += 2;
    }
    if odd { (arctan(t / nu.sqrt()) + sin * sum) * std::f64::consts::FRAC_2_PI } else { sin * sum }
}

/// P(T <= t) for Student's t.
pub(super) fn t_below(t: f64, degrees: u32) -> f64 {
    let within = t_within(t.abs(), degrees);
    if t < 0.0 { (1.0 - within) / 2.0 } else { f64::midpoint(1.0, within) }
}

/// The t with P(|T| <= t) = 1 - `outside`: the multiplier of a two-sided interval. `outside` is
/// taken as at least 1e-12.
pub(super) fn t_multiplier(outside: f64, degrees: u32) -> f64 {
    let inside = 1.0 - outside.clamp(1e-12, 1.0);
    let (mut low, mut high) = (0.0, 1.0);
    while t_within(high, degrees) < inside && high < 1e13 {
        low = high;
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if t_within(middle, degrees) < inside {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// arctan, by halving the angle until the alternating series is short.
fn arctan(x: f64) -> f64 {
    let (mut x, mut scale) = (x, 1.0);
    while x.abs() > 0.1 {
        x /= 1.0 + (1.0 + x * x).sqrt();
        scale *= 2.0;
    }
    let square = x * x;
    let mut power = x;
    let mut sum = 0.0;
    for index in 0..12_u32 {
        let sign = if index % 2 == 0 { 1.0 } else { -1.0 };
        sum += sign * power / f64::from(2 * index + 1);
        power *= square;
    }
    scale * sum
}

/// Most values a signed-rank interval is made of.
pub(super) const SIGNED_RANK_MAX: usize = 64;

/// The largest rank r, from 1, with P(W <= r - 1) <= `outside` / 2, W the signed-rank statistic of
/// `count` values: the interval runs from the r-th smallest to the r-th largest Walsh average
/// (Hollander, Wolfe and Chicken, *Nonparametric Statistical Methods*, section 3.3). None if
/// `count` is too small for the level, or above [`SIGNED_RANK_MAX`].
pub(super) fn signed_rank(count: usize, outside: f64) -> Option<usize> {
    if count == 0 || count > SIGNED_RANK_MAX {
        return None;
    }
    let largest = count * (count + 1) / 2;
    // Shares of the 2^count sign patterns by their sum of ranks.
    let mut shares = vec![0.0; largest + 1];
    shares[0] = 1.0;
    for rank in 1..=count {
        for sum in (0..=largest).rev() {
            let with = if sum >= rank { shares[sum - rank] } else { 0.0 };
            shares[sum] = f64::midpoint(shares[sum], with);
        }
    }
    let mut below = 0.0;
    let mut rank = 0;
    for share in shares {
        below += share;
        if below > outside / 2.0 {
            break;
        }
        rank += 1;
    }
    (rank >= 1).then_some(rank)
}

/// The Hodges-Lehmann estimate of `values`, the median of their Walsh averages, and the signed-rank
/// interval around it, exact for independent values that spread symmetrically. None as
/// [`signed_rank`].
pub(super) fn hodges_lehmann(values: &[f64], outside: f64) -> Option<(f64, f64, f64)> {
    let rank = signed_rank(values.len(), outside)?;
    let mut walsh = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (index, one) in values.iter().enumerate() {
        walsh.extend(values[index..].iter().map(|other| f64::midpoint(*one, *other)));
    }
    walsh.sort_unstable_by(f64::total_cmp);
    let count = walsh.len();
    let estimate = f64::midpoint(walsh[(count - 1) / 2], walsh[count / 2]);
    Some((estimate, walsh[rank - 1], walsh[count - rank]))
}

/// Wilson's score interval for a share (Wilson 1927), `multiplier` from the t or normal
/// distribution. `count` may be an effective number. (0, 1) if there is nothing.
pub(super) fn wilson(share: f64, count: f64, multiplier: f64) -> (f64, f64) {
    if count <= 0.0 {
        return (0.0, 1.0);
    }
    let z2 = multiplier * multiplier;
    let scale = 1.0 + z2 / count;
    let centre = (share + z2 / (2.0 * count)) / scale;
    let spread = share * (1.0 - share) / count + z2 / (4.0 * count * count);
    let half = multiplier * spread.max(0.0).sqrt() / scale;
    ((centre - half).max(0.0), (centre + half).min(1.0))
}
