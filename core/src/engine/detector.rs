//! The detectors by index, and what is fixed about each (DETECTION.md §3, §6, §9, §10, §11). Beyond the reference are those that a
//! switch of their control turns off ([`switch`]).

use super::explain::{
    Detector::{self, *},
    Family,
};

/// Number of detectors.
pub(super) const DETECTORS: usize = 26;
/// The first are hurdle log-normals ...
pub(super) const HURDLE: usize = 20;
/// ... then come the drifts ...
pub(super) const SLOW: usize = 4;
/// ... the last of them goes beyond the reference ...
pub(super) const OUT: usize = COut as usize;
/// ... then the share of clients without a reason ...
pub(super) const SHARE: usize = UnrelShare as usize;
/// ... and the last is the hard rules.
pub(super) const RULE: usize = Rule as usize;
/// Number of families.
pub(super) const FAMILIES: usize = 9;

/// A number per detector.
pub(super) type Values = [f64; DETECTORS];

/// A set of detectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(u32);

impl Set {
    /// Behavioural detectors, all of them.
    pub(super) const BEHAVIOUR: Self = Self((1 << RULE) - 1);

    const fn of(members: &[Detector]) -> Self {
        let (mut set, mut i) = (Self(0), 0);
        while i < members.len() {
            set = set.with(members[i] as usize);
            i += 1;
        }
        set
    }

    pub(super) const fn with(self, k: usize) -> Self {
        Self(self.0 | 1 << k)
    }

    pub(super) const fn has(self, k: usize) -> bool {
        self.0 >> k & 1 == 1
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Indices, ascending.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let k = left.trailing_zeros() as usize;
            (left != 0).then(|| {
                left &= left - 1;
                k
            })
        })
    }
}

/// Those from which the common rise of the team is taken off. A team that steals together must not hide giving away.
pub(super) const COMMON_MODE: Set =
    Set::of(&[RecOut, RecScr, RecUnf, NOut, NQuery, Distinct, Unrel, Ucall, Destr, NUpd, Offh, OffOut, NovQ, Clients1h]);
/// Those that count only once ten records or clients were revealed.
pub(super) const NEEDS_REVEALED: Set = Set::of(&[Offh, OffOut, NovQ, CRec, CUnrel, CDistinct, COut]);
/// What must be revealed for them.
pub(super) const REVEALED: f64 = 10.0;

/// Below these a surprise does not count.
pub(super) const FLOOR: Values = {
    let mut floor = [0.0; DETECTORS];
    let of = [
        (RecOut, 50.0),
        (RecScr, 50.0),
        (RecUnf, 50.0),
        (NOut, 5.0),
        (NQuery, 10.0),
        (Distinct, 10.0),
        (Unrel, 3.0),
        (Ucall, 3.0),
        (Destr, 10.0),
        (NUpd, 10.0),
        (Ext, 1.0),
        (Authfail, 5.0),
        (TwoPlaces, 3.0),
        (Clients1h, 10.0),
        (Clients7d, 30.0),
        (Clients30d, 60.0),
        (UnrelShare, 3.0),
    ];
    let mut i = 0;
    while i < of.len() {
        floor[of[i].0 as usize] = of[i].1;
        i += 1;
    }
    floor
};

/// The drifts, in order.
pub(super) const DRIFTS: [Detector; SLOW] = [CRec, CUnrel, CDistinct, COut];

/// From which accumulators each drift is made.
pub(super) const DRIFTS_ON: [Set; SLOW] = [Set::of(&[RecOut, RecScr]), Set::of(&[Unrel]), Set::of(&[Distinct]), Set::of(&[RecOut])];

/// Detectors of each family, in the order of [`Family`].
pub(super) const MEMBERS: [&[usize]; FAMILIES] =
    [&[0, 1, 2, 3, 4, 5, 17, 18, 19], &[6, 7, SHARE], &[8, 9, 10], &[11, 12], &[13], &[14], &[15, 16], &[20, 21, 22, 23], &[RULE]];

/// The detector of an index.
pub(super) fn detector(k: usize) -> Detector {
    Detector::ALL[k]
}

/// Whether an index is a drift's.
pub(super) const fn is_drift(k: usize) -> bool {
    k >= HURDLE && k < HURDLE + SLOW
}

/// The switch of its control that turns a detector off; none for those of the reference.
pub(super) const fn switch(detector: Detector) -> Option<&'static str> {
    match detector {
        TwoPlaces => Some("two_places"),
        Clients1h => Some("hour"),
        Clients7d => Some("week"),
        Clients30d => Some("month"),
        UnrelShare => Some("share"),
        COut => Some("exports"),
        _ => None,
    }
}

/// The family of an index.
pub(super) fn family(f: usize) -> Family {
    Family::ALL[f]
}

/// The control for which a detector speaks; each rule speaks for itself.
pub(super) const fn control(detector: Detector) -> &'static str {
    match detector {
        RecOut | RecUnf => "bulk_export",
        RecScr | NOut | Distinct | Clients1h | Clients7d | Clients30d => "chunked_export",
        NQuery => "scraping",
        Unrel | UnrelShare => "unrelated",
        Ucall => "unrelated_call",
        Destr | NUpd | Ext => "mass_change",
        Offh | OffOut => "off_hours",
        NovCtx => "new_place",
        NovQ => "first_time",
        Authfail => "brute_force",
        TwoPlaces => "shared_account",
        CRec | CUnrel | CDistinct | COut => "drip",
        Rule => "rule",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::control as catalogue;

    #[test]
    fn families_partition_the_detectors() {
        let mut all: Vec<usize> = MEMBERS.iter().flat_map(|ks| ks.iter().copied()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..DETECTORS).collect::<Vec<_>>());
        assert_eq!(Set::BEHAVIOUR.iter().collect::<Vec<_>>(), (0..RULE).collect::<Vec<_>>());
    }

    #[test]
    fn agrees_with_the_catalogue_of_controls() {
        for k in 0..RULE {
            let said = catalogue::of(detector(k)).expect("each detector has a control");
            assert_eq!(control(detector(k)), said.id);
            assert!(switch(detector(k)).is_none_or(|name| said.switches.iter().any(|s| s.name == name)), "{}", said.id);
            let floors: Vec<f64> = said.parameters.iter().map(|p| p.value).collect();
            assert!(FLOOR[k] <= 0.0 || floors.contains(&FLOOR[k]), "{}: {floors:?} without {}", said.id, FLOOR[k]);
            assert!(!NEEDS_REVEALED.has(k) || floors.contains(&REVEALED), "{}: {floors:?}", said.id);
        }
    }
}
