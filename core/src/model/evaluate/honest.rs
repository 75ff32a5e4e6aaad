//! False alerts and the honest things that they met.

use std::collections::BTreeMap;

use super::{
    Version,
    share::{Share, share},
};
use crate::{
    event::Timestamp,
    model::label::{Kind, Label},
};

/// What a false alert is counted under when it met nothing.
const NOTHING: &str = "nothing unusual";

/// Of each kind of honest thing: how many met a false alert.
pub(super) fn on_benign(labels: &[Label], false_alerts: &[&Vec<&Version>], first_day: Timestamp) -> BTreeMap<String, Share> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for l in labels.iter().filter(|l| l.label == Kind::Benign && l.to >= first_day) {
        let (n, of) = counts.entry(&l.scenario).or_default();
        *n += usize::from(false_alerts.iter().any(|a| met(a, l)));
        *of += 1;
    }
    counts.into_iter().map(|(what, (n, of))| (what.to_owned(), share(n, of))).collect()
}

/// The alerts by the honest thing that each met, so that they add up. Of several the shortest is taken: it was there by chance least
/// likely.
pub(super) fn by_confounder(labels: &[Label], alerts: &[&Vec<&Version>]) -> BTreeMap<String, u64> {
    let mut of_manager: BTreeMap<&str, Vec<&Label>> = BTreeMap::new();
    for l in labels.iter().filter(|l| l.label == Kind::Benign) {
        of_manager.entry(&l.manager).or_default().push(l);
    }
    let mut counts = BTreeMap::new();
    for alert in alerts {
        let of_manager = alert[0].manager.as_deref().and_then(|m| of_manager.get(m));
        let within = of_manager.into_iter().flatten().filter(|l| met(alert, l));
        let shortest = within.min_by_key(|l| (l.to.millis() - l.from.millis(), &l.scenario));
        *counts.entry(shortest.map_or(NOTHING, |l| l.scenario.as_str()).to_owned()).or_insert(0) += 1;
    }
    counts
}

fn met(alert: &[&Version], l: &Label) -> bool {
    alert.iter().any(|v| v.manager.as_deref() == Some(&l.manager) && l.from <= v.time && v.time <= l.to)
}
