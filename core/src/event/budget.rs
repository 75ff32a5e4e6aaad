//! The alert budget: what somebody is willing to look at when nothing is wrong.

use serde::{Deserialize, Serialize};

/// What a tenant is willing to look at when nothing is wrong. In JSON and TOML a number, or a text such as `5/week`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Said", into = "Said")]
pub enum Budget {
    /// Alerts per 100 manager-days.
    Rate(f64),
    /// Alerts per week.
    Weekly(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Said {
    Number(f64),
    Text(String),
}

impl From<Budget> for Said {
    fn from(b: Budget) -> Self {
        match b {
            Budget::Rate(b) => Self::Number(b),
            Budget::Weekly(n) => Self::Text(format!("{n}/week")),
        }
    }
}

impl TryFrom<Said> for Budget {
    type Error = String;

    fn try_from(said: Said) -> Result<Self, String> {
        match said {
            Said::Number(b) => Ok(Self::Rate(b)),
            Said::Text(text) => text.parse(),
        }
    }
}

impl std::str::FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |n: &str| n.trim().parse::<f64>().ok();
        let budget = match text.split_once('/') {
            None => number(text).map(Self::Rate),
            Some((n, unit)) => number(n).filter(|_| unit.trim() == "week").map(Self::Weekly),
        };
        budget.ok_or_else(|| format!("{text:?} is no budget: give alerts per 100 manager-days, or so many a week as in 5/week"))?.checked()
    }
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rate(b) => write!(f, "{b}"),
            Self::Weekly(n) => write!(f, "{n}/week"),
        }
    }
}

impl Budget {
    /// The same, where it makes sense.
    ///
    /// # Errors
    /// Outside 0.001 to 100 alerts per 100 manager-days, or 0.01 to 10 000 alerts a week.
    pub fn checked(self) -> Result<Self, String> {
        match self {
            Self::Rate(b) if !(0.001..=100.0).contains(&b) => Err(format!("{b} is not within 0.001 and 100 alerts per 100 manager-days")),
            Self::Weekly(n) if !(0.01..=10_000.0).contains(&n) => Err(format!("{n} is not within 0.01 and 10000 alerts a week")),
            budget => Ok(budget),
        }
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        match self {
            Self::Rate(b) => Self::Rate(b * factor),
            Self::Weekly(n) => Self::Weekly(n * factor),
        }
    }

    /// The same, nonsense brought back to sense, for those who cannot fail.
    #[must_use]
    pub fn sensible(self) -> Self {
        match self {
            Self::Rate(b) if b > 0.0 => Self::Rate(b.clamp(1e-6, 100.0)),
            Self::Weekly(n) if n > 0.0 => Self::Weekly(n.clamp(1e-6, 1e6)),
            _ => Self::Rate(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_or_so_many_a_week() {
        for (text, expected) in
            [("1", Budget::Rate(1.0)), ("0.5", Budget::Rate(0.5)), ("5/week", Budget::Weekly(5.0)), (" 2.5 / week", Budget::Weekly(2.5))]
        {
            assert_eq!(text.parse(), Ok(expected));
            let json = serde_json::to_string(&expected).expect("JSON");
            assert_eq!(serde_json::from_str::<Budget>(&json).expect(&json), expected);
        }
        for wrong in ["", "nan", "0", "-1", "101", "5/day", "x/week", "0/week", "inf/week"] {
            assert!(wrong.parse::<Budget>().is_err(), "{wrong}");
        }
    }
}
