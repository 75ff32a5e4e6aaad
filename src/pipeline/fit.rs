//! Peer groups: when they are due, from what a tenant's people usually do (linfa), as a record for its log.

use crate::{
    engine::{
        Record, Tenant,
        peers::{Fit, Profile},
    },
    model::groups,
};

/// What a fit is made from; none while none is due.
pub(super) struct Due {
    members: Vec<Profile>,
    before: std::collections::BTreeMap<String, String>,
}

impl Due {
    /// Takes what is needed, so that the fit can be made elsewhere.
    pub(super) fn of(tenant: &Tenant) -> Option<Self> {
        tenant.fit_due().map(|_| Self { members: tenant.profiles(), before: tenant.groups() })
    }

    /// The fit.
    pub(super) fn record(self) -> Record {
        Record::Fit(Fit { groups: groups::fit(&self.members, &self.before) })
    }
}
