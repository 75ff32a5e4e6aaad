//! Chance by name: every choice is a hash of what it is about, so that one place changing leaves all others as they are,
//! and any person's any day can be made by itself.

/// A source of choices. `of` and `at` give a narrower one; the numbers depend on the whole path only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x4669_6c69_6e21))
    }

    /// What is named so.
    pub(super) fn of(self, name: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64_with_seed(name.as_bytes(), self.0))
    }

    /// The one with this number: a person, a date, an ordinal.
    pub(super) fn at<N: TryInto<i64>>(self, n: N) -> Self {
        let n = n.try_into().unwrap_or(i64::MAX).cast_unsigned();
        Self(mix(self.0 ^ mix(n.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// The 64 bits themselves.
    pub(super) fn bits(self) -> u64 {
        mix(self.0)
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
        let n = (self.bits() >> 11) as f64;
        n / 9_007_199_254_740_992.0
    }

    /// Uniform in [a, b).
    pub(super) fn between(self, a: f64, b: f64) -> f64 {
        a + (b - a) * self.unit()
    }

    /// One of 0..n; 0 where n is 0.
    pub(super) fn below(self, n: usize) -> usize {
        whole(self.unit() * real(n)).min(n.saturating_sub(1))
    }

    /// True with probability p.
    pub(super) fn hit(self, p: f64) -> bool {
        self.unit() < p
    }

    /// Standard normal (Box and Muller 1958).
    pub(super) fn normal(self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.of("radius").unit()));
        radius * libm::cos(std::f64::consts::TAU * self.of("angle").unit())
    }

    /// Log-normal with this median and this spread of the logarithm.
    pub(super) fn log_normal(self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// One of a list that is not empty.
    pub(super) fn pick<T>(self, of: &[T]) -> &T {
        &of[self.below(of.len())]
    }

    /// An index, each as likely as its weight.
    pub(super) fn weighted(self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (i, w) in weights.iter().enumerate() {
            left -= w;
            if left < 0.0 {
                return i;
            }
        }
        weights.iter().rposition(|w| *w > 0.0).unwrap_or(0)
    }

    /// Sixteen hexadecimal digits.
    pub(super) fn hex(self) -> String {
        format!("{:016x}", self.bits())
    }
}

/// A count from a real number: its whole part, 0 for what is negative or no number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, which is what a count wants")]
pub(super) fn whole(x: f64) -> usize {
    x as usize
}

/// The same for record counts and milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, which is what a count wants")]
pub(super) fn count(x: f64) -> u64 {
    x as u64
}

/// Whole milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "saturates; times are far from the ends")]
pub(super) fn millis(x: f64) -> i64 {
    x as i64
}

/// A count as a real number.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub(super) fn real(n: usize) -> f64 {
    n as f64
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let c = Chance::new(7).of("test");
        let n = 20_000_usize;
        let mean = |f: &dyn Fn(Chance) -> f64| (0..n).map(|i| f(c.at(i))).sum::<f64>() / real(n);
        assert!((mean(&|c| c.unit()) - 0.5).abs() < 0.01);
        assert!(mean(&|c| c.normal()).abs() < 0.03);
        assert!((mean(&|c| c.normal() * c.normal()) - 1.0).abs() < 0.05);
        assert!((mean(&|c| real(c.weighted(&[1.0, 0.0, 3.0]))) - 1.5).abs() < 0.03);
        assert!((mean(&|c| real(c.below(5))) - 2.0).abs() < 0.05);
    }

    #[test]
    fn names_matter_and_repeat() {
        let c = Chance::new(1);
        assert_eq!(c.of("a").at(3).unit().to_bits(), c.of("a").at(3).unit().to_bits());
        assert_ne!(c.of("a").at(3), c.of("a").at(4));
        assert_ne!(c.at(1).at(2), c.at(2).at(1));
        assert_ne!(c, Chance::new(2));
    }
}
