//! Peer groups: when they are due, from what a tenant's people usually do (linfa), as a record for its log.

use crate::{
    engine::{Record, Tenant, peers::Fit},
    event::Date,
    model::groups::{self, Member},
};

/// What a fit is made from; none while none is due.
pub(super) struct Due {
    /// The date as of which it is due.
    pub(super) as_of: Date,
    members: Vec<Member>,
    before: std::collections::BTreeMap<String, String>,
}

impl Due {
    /// Takes what is needed, so that the fit can be made elsewhere.
    pub(super) fn of(tenant: &Tenant) -> Option<Self> {
        tenant.fit_due().map(|as_of| {
            let member = |p: crate::engine::peers::Profile| Member { id: p.id, role: p.role, vector: p.vector, days: p.days };
            Self { as_of, members: tenant.profiles().into_iter().map(member).collect(), before: tenant.groups() }
        })
    }

    /// The fit.
    pub(super) fn record(self) -> Record {
        Record::Fit(Fit { groups: groups::fit(&self.members, &self.before) })
    }
}
