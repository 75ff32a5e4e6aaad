//! What a control cannot do without: from that follows what is blind to which source, and why.

/// What a control cannot do without. Of each list one is enough; an empty list asks for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// The control.
    pub control: &'static str,
    /// Actions.
    pub actions: &'static [&'static str],
    /// Fields of events.
    pub fields: &'static [&'static str],
    /// Columns of the directory of users.
    pub users: &'static [&'static str],
    /// Columns of the clients.
    pub clients: &'static [&'static str],
    /// Keys of `[tenants.T]`. Where `users` has one of the same name, either will do.
    pub policy: &'static [&'static str],
}

/// Actions whose records count as taken out, or that ask for many at once.
const OUT: &[&str] = &["export", "print", "api_query", "report", "list"];
/// Actions that show or take records.
const READS: &[&str] = &["view", "search", "list", "report", "export", "print", "api_query"];
/// What tells which client an event is about.
const CLIENT: &[&str] = &["object.client", "object.id", "object.ids", "call.client", "call.number"];

/// By control id.
pub const NEEDS: &[Needs] = &[
    Needs { control: "address_denied", actions: &[], fields: &["client.ip"], users: &["ip_allow"], clients: &[], policy: &["ip_allow"] },
    Needs { control: "audit_gap", actions: &[], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs {
        control: "automation",
        actions: &["setting_change", "create", "permission_change", "other"],
        fields: &["change.what"],
        users: &[],
        clients: &[],
        policy: &[],
    },
    Needs {
        control: "backup_overdue",
        actions: &["backup"],
        fields: &["change.target"],
        users: &[],
        clients: &[],
        policy: &["backup_targets"],
    },
    Needs { control: "base_share", actions: READS, fields: CLIENT, users: &[], clients: &[], policy: &[] },
    Needs { control: "brute_force", actions: &["login"], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs { control: "bulk_export", actions: OUT, fields: &["records"], users: &[], clients: &[], policy: &[] },
    Needs { control: "chunked_export", actions: READS, fields: &[], users: &[], clients: &[], policy: &[] },
    Needs { control: "decoy", actions: &[], fields: CLIENT, users: &[], clients: &["decoy"], policy: &[] },
    Needs { control: "dormant", actions: &[], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs {
        control: "drip",
        actions: &[],
        fields: &["records", "object.client", "object.id", "object.ids", "call.client", "call.number"],
        users: &[],
        clients: &[],
        policy: &[],
    },
    Needs { control: "endpoint_risk", actions: &["endpoint_finding"], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs { control: "first_time", actions: &[], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs { control: "impossible_travel", actions: &[], fields: &["client.lat"], users: &[], clients: &[], policy: &[] },
    Needs { control: "insecure_transport", actions: &[], fields: &["client.tls"], users: &[], clients: &[], policy: &[] },
    Needs { control: "junior_delete", actions: &["delete", "merge", "update"], fields: &[], users: &["grade"], clients: &[], policy: &[] },
    Needs { control: "key_client", actions: &[], fields: CLIENT, users: &["grade"], clients: &["tier"], policy: &[] },
    Needs { control: "leaver_active", actions: &[], fields: &[], users: &["terminated_at"], clients: &[], policy: &[] },
    Needs {
        control: "leaver_not_closed",
        actions: &["user_deactivate"],
        fields: &[],
        users: &["terminated_at"],
        clients: &[],
        policy: &[],
    },
    Needs { control: "leaver_watch", actions: &[], fields: &[], users: &["notice_at", "terminated_at"], clients: &[], policy: &[] },
    Needs { control: "lost_deal_look", actions: &[], fields: CLIENT, users: &[], clients: &["owner"], policy: &[] },
    Needs {
        control: "mass_change",
        actions: &["update", "delete", "merge", "transfer", "share"],
        fields: &[],
        users: &[],
        clients: &[],
        policy: &[],
    },
    Needs { control: "new_channel", actions: &[], fields: &["channel"], users: &[], clients: &[], policy: &[] },
    Needs {
        control: "new_place",
        actions: &[],
        fields: &["client.ip", "client.country", "client.asn", "client.user_agent", "client.device"],
        users: &[],
        clients: &[],
        policy: &[],
    },
    Needs {
        control: "no_mfa",
        actions: &["login"],
        fields: &["auth.mfa", "auth.mfa_method", "reason"],
        users: &[],
        clients: &[],
        policy: &[],
    },
    Needs { control: "off_hours", actions: &[], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs { control: "out_of_book", actions: &[], fields: CLIENT, users: &[], clients: &["owner", "team"], policy: &[] },
    Needs { control: "outdated_client", actions: &[], fields: &["client.version"], users: &[], clients: &[], policy: &["min_versions"] },
    Needs {
        control: "personal_fields",
        actions: &["report", "export", "list", "api_query"],
        fields: &["query.fields"],
        users: &[],
        clients: &[],
        policy: &[],
    },
    Needs { control: "privilege", actions: &["permission_change"], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs { control: "scraping", actions: &["search", "list", "report"], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs { control: "service_account", actions: &[], fields: &[], users: &["kind"], clients: &[], policy: &[] },
    Needs { control: "session_hijack", actions: &[], fields: &["session"], users: &[], clients: &[], policy: &[] },
    Needs {
        control: "shared_account",
        actions: &[],
        fields: &["client.user_agent", "client.device"],
        users: &[],
        clients: &[],
        policy: &[],
    },
    Needs { control: "sigma", actions: &[], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs { control: "spraying", actions: &["login"], fields: &["client.ip"], users: &[], clients: &[], policy: &[] },
    Needs { control: "stuffing", actions: &["login"], fields: &["client.ip"], users: &[], clients: &[], policy: &[] },
    Needs {
        control: "tamper",
        actions: &["update", "setting_change", "permission_change"],
        fields: &["change.what", "change.to"],
        users: &[],
        clients: &[],
        policy: &[],
    },
    Needs { control: "unrelated", actions: &[], fields: CLIENT, users: &[], clients: &["owner"], policy: &[] },
    Needs {
        control: "unrelated_call",
        actions: &["call"],
        fields: &["call.client", "call.number"],
        users: &[],
        clients: &["owner"],
        policy: &[],
    },
    Needs { control: "watcher", actions: &[], fields: &[], users: &[], clients: &[], policy: &[] },
    Needs { control: "weak_password", actions: &["login"], fields: &[], users: &[], clients: &[], policy: &[] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_says_what_it_needs() {
        assert!(NEEDS.iter().map(|n| n.control).eq(super::super::ALL.iter().map(|c| c.id)));
    }
}
