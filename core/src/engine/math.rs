//! The few functions of arithmetic that the engine uses; all through `libm`, so that one binary gives one result everywhere.

/// Natural logarithm.
pub(super) fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// e to the power of x.
pub(super) fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// ln(1 + x).
pub(super) fn ln_1p(x: f64) -> f64 {
    libm::log1p(x)
}

/// exp(x) − 1.
pub(super) fn exp_m1(x: f64) -> f64 {
    libm::expm1(x)
}

/// Rounds to what is stored: persisted quantities of a manager are f32 in memory as on disk.
#[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
pub(super) fn stored(x: f64) -> f32 {
    x as f32
}

/// Whole part of a number that is known to be small and not negative; what is not gives 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating by the language")]
pub(super) fn floor_index(x: f64) -> usize {
    x as usize
}

/// A count for output.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating by the language")]
pub(super) fn count(x: f64) -> u64 {
    x as u64
}

/// A count as a number; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(super) fn number(n: u64) -> f64 {
    n as f64
}

/// Coefficients 5/16, 5/16·7/8, ... of the series of [`t6_tail`].
const SERIES: [f64; 24] = {
    let (mut c, mut j) = ([0.0; 24], 0);
    let (mut value, mut k) = (5.0 / 16.0, 4.0);
    while j < 24 {
        c[j] = value;
        value *= (2.0 * k - 1.0) / (2.0 * k);
        k += 1.0;
        j += 1;
    }
    c
};

/// P(T > z) of Student's t with 6 degrees of freedom: closed form near the middle, a series in the tail where the closed form
/// would cancel.
pub(super) fn t6_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - t6_tail(-z);
    }
    let q = 6.0 / (6.0 + z * z);
    let s = (1.0 - q).sqrt();
    if q > 0.3 {
        return (1.0 - s * (1.0 + q / 2.0 + 3.0 * q * q / 8.0)) / 2.0;
    }
    let (mut total, mut power) = (0.0, q * q * q);
    for c in SERIES {
        total += c * power;
        power *= q;
    }
    s / 2.0 * total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_of_t6() {
        // The density integrated numerically; 3.707428 is the 0.5 % point of printed tables.
        for (z, expected) in [(0.0, 0.5), (1.0, 0.177_958_842), (-1.0, 0.822_041_158), (3.707_428, 0.005), (10.0, 2.895_991_4e-5)] {
            assert!((t6_tail(z) / expected - 1.0).abs() < 1e-6, "{z}: {}", t6_tail(z));
        }
        let (below, above) = (t6_tail(14.0_f64.sqrt() - 1e-9), t6_tail(14.0_f64.sqrt() + 1e-9));
        assert!((below - above).abs() < 1e-9, "the two forms meet");
    }
}
