//! Cold start: what people of a role usually do elsewhere, for a tenant without a history of its own.
//!
//! A prior is the upper levels of the hierarchy as another history left them (class, roles, rates of new values); of no person
//! anything. It weighs like `WEIGHT` manager-days, so the first full day of a team already outweighs it. Pooled tails are not in
//! it: those of a settled tenant made a new one, whose days are strange to everybody, alert three times as often.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    VERSION,
    baseline::{drift::PACE, novelty::Rates, pool::Pool, share},
    budget::Curve,
    class::{CLASSES, Class},
    detector::{DRIFTS, HURDLE, detector},
    explain::{Attribute, Detector},
    tenant::Tenant,
};

/// Manager-days that a prior weighs like.
const WEIGHT: f64 = 30.0;
/// What is large or small only because a tenant is new: everything is new then, and no month has passed.
const LEFT_OUT: [Detector; 4] = [Detector::NovCtx, Detector::NovQ, Detector::Clients7d, Detector::Clients30d];

/// A cold-start prior.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Its name, said in alerts.
    pub name: String,
    /// Version of the engine that fitted it.
    pub engine: String,
    /// Manager-days behind it.
    pub manager_days: u64,
    /// Of people.
    pub people: Group,
    /// Of integrations.
    pub integrations: Group,
}

/// What a class of actors does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// All of them.
    pub all: Peers,
    /// By role.
    pub roles: BTreeMap<String, Peers>,
    /// Per attribute: share of days with something new.
    pub new: BTreeMap<String, f64>,
    /// Per budget, alerts per 100 manager-days: the score in nats that so many of them reach.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f64>,
}

/// What peers usually do on a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Decayed manager-days behind it.
    pub days: f64,
    /// Per detector with a usual amount.
    pub usual: BTreeMap<String, Usually>,
    /// Per drift: mean and variance of its series.
    pub slow: BTreeMap<String, (f64, f64)>,
    /// Share of clients touched without a reason, and its dispersion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strangers: Option<(f64, f64)>,
}

/// A detector's day total x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usually {
    /// Share of days with any.
    pub share: f64,
    /// Mean of ln(1 + x) on those.
    pub mean: f64,
    /// Its variance.
    pub var: f64,
}

impl Tenant {
    /// What this tenant's history says about others like it.
    pub fn prior(&self, name: &str) -> Prior {
        let [people, integrations] = &self.shared.classes;
        let group = |c: &Class| Group {
            all: peers(&c.pool),
            roles: c.large_roles().map(|(role, pool)| (role.to_string(), peers(pool))).collect(),
            new: Attribute::ALL.iter().map(|a| (a.as_str().to_owned(), rounded(c.rates.of(*a)))).collect(),
            thresholds: c.early.iter().flat_map(Curve::pairs).map(|(budget, theta)| (budget.to_string(), rounded(theta))).collect(),
        };
        Prior {
            name: name.to_owned(),
            engine: VERSION.to_owned(),
            manager_days: self.shared.learned_days,
            people: group(people),
            integrations: group(integrations),
        }
    }

    /// Puts a prior in force, unless the tenant has learned something of its own already.
    pub(super) fn start_from(&mut self, prior: &Prior) {
        if self.shared.last_closed.is_some() {
            return;
        }
        for (class, group) in self.shared.classes.iter_mut().zip([&prior.people, &prior.integrations]) {
            class.start_from(group);
        }
        self.shared.prior = Some(prior.name.clone());
    }
}

impl Class {
    fn start_from(&mut self, group: &Group) {
        if group.all.days > 0.0 {
            self.pool = pool(&group.all, Pool::new(2.0, 4.0));
        }
        let roles = group.roles.iter().filter(|(_, peers)| peers.days > 0.0);
        self.take_roles(roles.map(|(role, peers)| (role.as_str().into(), pool(peers, Pool::new(0.0, 0.0)))));
        self.rates = Rates::of_shares(|a| group.new.get(a.as_str()).copied());
        self.elsewhere = Curve::new(group.thresholds.iter().filter_map(|(budget, theta)| Some((budget.parse().ok()?, *theta))));
        self.refresh();
    }
}

impl Prior {
    /// This one, with what the score meant where such a prior was in force.
    #[must_use]
    pub fn with_thresholds_of(mut self, other: Self) -> Self {
        self.people.thresholds = other.people.thresholds;
        self.integrations.thresholds = other.integrations.thresholds;
        self
    }

    /// One of several, each weighing by its manager-days.
    pub fn merged(name: &str, priors: &[Self]) -> Self {
        let groups = |of: fn(&Self) -> &Group| merged_group(&priors.iter().map(of).collect::<Vec<_>>());
        Self {
            name: name.to_owned(),
            engine: VERSION.to_owned(),
            manager_days: priors.iter().map(|p| p.manager_days).sum(),
            people: groups(|p| &p.people),
            integrations: groups(|p| &p.integrations),
        }
    }
}

fn name_of(k: usize) -> String {
    detector(k).as_str().to_owned()
}

/// Detectors that a prior speaks of.
fn carried() -> impl Iterator<Item = usize> {
    (0..HURDLE).filter(|k| !LEFT_OUT.contains(&detector(*k)))
}

/// Four decimals say all that a prior knows.
fn rounded(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

fn peers(pool: &Pool) -> Peers {
    let usual =
        |k: usize| Usually { share: rounded(pool.n1[k] / pool.n.max(1e-9)), mean: rounded(pool.mean[k]), var: rounded(pool.var[k]) };
    Peers {
        days: rounded(pool.n),
        usual: carried().filter(|k| pool.w[*k] > 0.0).map(|k| (name_of(k), usual(k))).collect(),
        slow: DRIFTS
            .iter()
            .enumerate()
            .map(|(j, d)| (d.as_str().to_owned(), (rounded(pool.slow_mean[j]), rounded(pool.slow_var[j]))))
            .collect(),
        strangers: pool.share.known().map(|(share, dispersion)| (rounded(share), rounded(dispersion))),
    }
}

/// A pool that has seen [`WEIGHT`] manager-days of these peers; what the prior does not know stays as `fresh` has it.
fn pool(peers: &Peers, fresh: Pool) -> Pool {
    let mut pool = Pool { n: WEIGHT, ..fresh };
    for (k, u) in carried().filter_map(|k| Some((k, peers.usual.get(&name_of(k))?))) {
        pool.n1[k] = WEIGHT * u.share.clamp(0.0, 1.0);
        (pool.w[k], pool.mean[k], pool.var[k]) = (pool.n1[k], u.mean, u.var.max(0.0));
    }
    for (j, (mean, var)) in DRIFTS.iter().enumerate().filter_map(|(j, d)| Some((j, *peers.slow.get(d.as_str())?))) {
        (pool.slow_mean[j], pool.slow_var[j]) = (mean, var.max(0.0));
        pool.slow_n[PACE[j]] = WEIGHT;
    }
    if let Some((share, dispersion)) = peers.strangers {
        let clients = peers.usual.get(Detector::Distinct.as_str()).map_or(1.0, |u| u.share * super::math::exp_m1(u.mean));
        pool.share = share::Pool::of(WEIGHT, clients, share, dispersion);
    }
    pool
}

fn merged_group(groups: &[&Group]) -> Group {
    let mut merged = Group { all: merged_peers(&groups.iter().map(|g| &g.all).collect::<Vec<_>>()), ..Group::default() };
    let roles: std::collections::BTreeSet<&String> = groups.iter().flat_map(|g| g.roles.keys()).collect();
    for role in roles {
        let of: Vec<&Peers> = groups.iter().filter_map(|g| g.roles.get(role)).collect();
        merged.roles.insert(role.clone(), merged_peers(&of));
    }
    for a in Attribute::ALL {
        let rates: Vec<(f64, f64)> = groups.iter().filter_map(|g| Some((g.all.days, *g.new.get(a.as_str())?))).collect();
        merged.new.insert(a.as_str().to_owned(), rounded(weighted(&rates)));
    }
    // Of budgets that all of them tell: means over different companies would not fall with the budget.
    let told: Vec<&&Group> = groups.iter().filter(|g| !g.thresholds.is_empty()).collect();
    let all = |budget: &String| told.iter().map(|g| Some((g.all.days, *g.thresholds.get(budget)?))).collect::<Option<Vec<_>>>();
    let budgets = told.first().into_iter().flat_map(|g| g.thresholds.keys());
    merged.thresholds = budgets.filter_map(|b| Some((b.clone(), rounded(weighted(&all(b)?))))).collect();
    merged
}

/// Means by days; variances with what lies between the companies.
fn merged_peers(all: &[&Peers]) -> Peers {
    let mut merged = Peers { days: rounded(all.iter().map(|p| p.days).sum()), ..Peers::default() };
    for name in carried().map(name_of) {
        let of: Vec<(f64, Usually)> = all.iter().filter_map(|p| Some((p.days, *p.usual.get(&name)?))).collect();
        if of.is_empty() {
            continue;
        }
        let over = |f: fn(&Usually) -> f64| of.iter().map(|(days, u)| (days * u.share.max(1e-6), f(u))).collect::<Vec<_>>();
        let mean = weighted(&over(|u| u.mean));
        let second = weighted(&over(|u| u.var + u.mean * u.mean));
        let share = weighted(&of.iter().map(|(days, u)| (*days, u.share)).collect::<Vec<_>>());
        let usually = Usually { share: rounded(share), mean: rounded(mean), var: rounded((second - mean * mean).max(0.0)) };
        merged.usual.insert(name, usually);
    }
    for d in DRIFTS {
        let of: Vec<(f64, (f64, f64))> = all.iter().filter_map(|p| Some((p.days, *p.slow.get(d.as_str())?))).collect();
        let over = |f: fn((f64, f64)) -> f64| weighted(&of.iter().map(|(days, s)| (*days, f(*s))).collect::<Vec<_>>());
        let mean = over(|s| s.0);
        merged.slow.insert(d.as_str().to_owned(), (rounded(mean), rounded((over(|s| s.1 + s.0 * s.0) - mean * mean).max(0.0))));
    }
    let strangers: Vec<(f64, (f64, f64))> = all.iter().filter_map(|p| Some((p.days, p.strangers?))).collect();
    let over = |f: fn((f64, f64)) -> f64| rounded(weighted(&strangers.iter().map(|(days, s)| (*days, f(*s))).collect::<Vec<_>>()));
    merged.strangers = (!strangers.is_empty()).then(|| (over(|s| s.0), over(|s| s.1)));
    merged
}

/// The mean of (weight, value).
fn weighted(values: &[(f64, f64)]) -> f64 {
    let total: f64 = values.iter().map(|(w, _)| w).sum();
    if total > 0.0 { values.iter().map(|(w, v)| w * v).sum::<f64>() / total } else { 0.0 }
}

const _: () = assert!(CLASSES == 2, "people and integrations");

#[cfg(test)]
mod tests {
    use super::*;

    fn some(days: f64, mean: f64) -> Peers {
        Peers {
            days,
            usual: [("rec_out".to_owned(), Usually { share: 0.5, mean, var: 0.25 })].into(),
            slow: [("c_rec".to_owned(), (mean, 0.5))].into(),
            strangers: Some((0.1, 2.0)),
        }
    }

    fn prior(days: f64, mean: f64) -> Prior {
        let people = Group {
            all: some(days, mean),
            roles: [("sales".to_owned(), some(days, mean))].into(),
            thresholds: [("5".to_owned(), mean), (days.to_string(), 1.0)].into(),
            ..Group::default()
        };
        Prior { name: "p".to_owned(), manager_days: 10, people, ..Prior::default() }
    }

    #[test]
    fn several_are_pooled_by_their_days() {
        let merged = Prior::merged("both", &[prior(100.0, 3.0), prior(300.0, 5.0)]);
        let usual = merged.people.roles["sales"].usual["rec_out"];
        // Mean 4.5, variance within 0.25, between 0.75.
        assert!((usual.mean - 4.5).abs() < 1e-9 && (usual.var - 1.0).abs() < 1e-9 && (usual.share - 0.5).abs() < 1e-9, "{usual:?}");
        assert_eq!((merged.manager_days, merged.name.as_str()), (20, "both"));
        assert_eq!(merged.people.all.slow["c_rec"], (4.5, 1.25));
        assert_eq!(merged.people.thresholds, [("5".to_owned(), 4.5)].into(), "only what all of them tell");
    }

    #[test]
    fn a_new_tenant_starts_from_it_and_an_old_one_does_not() {
        let mut tenant = Tenant::new("t");
        tenant.start_from(&prior(100.0, 6.0));
        let class = &tenant.shared.classes[0];
        assert!((class.pool.mean[0] - 6.0).abs() < 1e-12 && (class.pool.n - WEIGHT).abs() < 1e-12);
        assert!(class.peers("sales").is_some_and(|p| (p.n1[0] - WEIGHT / 2.0).abs() < 1e-12) && class.peers("other").is_none());
        assert!((class.pool.mean[1] - 2.0).abs() < 1e-12, "what it does not know stays wide");
        assert_eq!(tenant.shared.prior.as_deref(), Some("p"));
        let told: Vec<(f64, f64)> = class.elsewhere.pairs().collect();
        assert_eq!(told, [(100.0, 1.0), (5.0, 6.0)]);
        let mut old = Tenant::new("t");
        old.shared.last_closed = Some(crate::event::Date(1));
        old.start_from(&prior(100.0, 6.0));
        assert_eq!(old.shared.prior, None);
    }

    #[test]
    fn what_was_fitted_is_what_is_read() {
        let p = prior(100.0, 3.0);
        assert_eq!(serde_json::from_str::<Prior>(&serde_json::to_string(&p).expect("JSON")).expect("its own"), p);
    }
}
