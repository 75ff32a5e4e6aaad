//! Peer groups where roles do not say them: asked for weekly, fitted outside the engine, in force from a `fit` record on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tenant::Tenant;
use crate::event::Date;

/// Closed dates between two fits.
const WEEK: i32 = 7;
/// The class that has roles.
const PEOPLE: usize = 0;

/// A result of clustering, as the log keeps it: a replay reads it and never fits again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// Manager to group; whoever is not in it is compared with the role.
    pub groups: BTreeMap<String, String>,
}

/// A manager's usual day.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Who.
    pub id: String,
    /// The latest role; empty or `unknown`: missing.
    pub role: String,
    /// Per detector with a usual amount the mean of ln(1 + x).
    pub vector: Vec<f64>,
    /// Learned days behind it.
    pub days: f64,
}

impl Tenant {
    /// The date as of which groups are to be fitted: a week of dates has closed since they were last.
    pub fn fit_due(&self) -> Option<Date> {
        let since = self.shared.fitted.or(self.shared.first_date)?;
        self.shared.last_closed.filter(|last| self.terms.groups && last.0 - since.0 >= WEEK)
    }

    /// What everybody usually does, by id.
    pub fn profiles(&self) -> Vec<Profile> {
        let people = self.roster.iter().filter(|m| m.class == PEOPLE && m.base.hurdle.days() > 0.0);
        let profile = |m: &super::manager::Manager| Profile {
            id: m.id.to_string(),
            role: m.role.as_deref().unwrap_or_default().to_owned(),
            vector: m.base.hurdle.usual(),
            days: m.base.hurdle.days(),
        };
        let mut profiles: Vec<Profile> = people.map(profile).collect();
        profiles.sort_by(|a, b| a.id.cmp(&b.id));
        profiles
    }

    /// The groups in force.
    pub fn groups(&self) -> BTreeMap<String, String> {
        self.shared.groups.iter().map(|(id, group)| (id.clone(), group.to_string())).collect()
    }

    /// Groups come into force for days that begin from now on. A new one starts from what its role knows.
    pub(super) fn regroup(&mut self, fit: &Fit) {
        self.shared.fitted = self.shared.last_closed;
        let groups: BTreeMap<_, _> = fit.groups.iter().map(|(id, group)| (id.clone(), group.as_str().into())).collect();
        if groups == self.shared.groups {
            return;
        }
        self.shared.groups = groups;
        let groups = &self.shared.groups;
        let mut roles = BTreeMap::new();
        self.roster.visit(|m| {
            let peers = groups.get(&*m.id).or(m.role.as_ref()).cloned();
            if let (Some(group), Some(role)) = (groups.get(&*m.id), &m.role) {
                roles.entry(group.clone()).or_insert_with(|| role.clone());
            }
            let changed = m.peers != peers;
            m.peers = peers;
            changed
        });
        let known = &mut self.shared.classes[PEOPLE].roles;
        for (group, role) in roles {
            if let Some(pool) = known.get(&role).filter(|_| !known.contains_key(&group)).cloned() {
                known.insert(group, pool);
            }
        }
        self.count_peers();
    }
}
