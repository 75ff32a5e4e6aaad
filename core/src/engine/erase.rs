//! Erasing a person: what the managers of a tenant share names some by id.

use super::tenant::Tenant;

impl Tenant {
    /// Takes a person out of what is shared: their rows, their group, mutes about them, the closing of their account. Their own state is
    /// forgotten by not restoring it; what everybody's thresholds learned from them stays, as it names nobody.
    pub fn erase(&mut self, id: &str) {
        self.people.erase(id);
        self.shared.groups.remove(id);
        self.shared.mutes.erase(id);
        self.shared.watch.erase(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        directory::User,
        engine::{LogLine, Record, state},
    };

    #[test]
    fn nothing_of_a_person_is_in_the_snapshot() {
        let mut tenant = Tenant::new("t");
        let mut effects = Vec::new();
        for id in ["forgettable-anna", "boris"] {
            let user = User { tenant: "t".to_owned(), id: id.to_owned(), phones: vec!["+79161234567".to_owned()], ..User::default() };
            tenant.apply(&Record::User(Box::new(user)), &mut effects);
        }
        let lines = [
            r#"{"v":1,"tenant":"t","mute":{"id":"q","manager":"forgettable-anna","from":"2026-03-01T00:00:00Z","until":"2026-03-09T00:00:00Z","reason":"r","by":"b"}}"#,
            r#"{"v":1,"tenant":"t","fit":{"groups":{"forgettable-anna":"sales~1","boris":"sales~2"}}}"#,
            r#"{"v":1,"tenant":"t","event":{"event":{"id":"1","time":"2026-03-02T00:00:00Z","tenant":"t","source":"crm","actor":{"id":"boris"},"action":"user_deactivate"},"enrich":{"manager":"boris","zone":"UTC","target":"forgettable-anna"}}}"#,
        ];
        for line in lines {
            let line: LogLine = serde_json::from_str(line).expect(line);
            tenant.apply(&line.record, &mut effects);
        }
        let has = |tenant: &Tenant, id: &str| {
            let plain = state::decompress(&tenant.snapshot()[1..]).expect("compressed");
            plain.windows(id.len()).filter(|w| *w == id.as_bytes()).count()
        };
        assert_eq!(has(&tenant, "forgettable-anna"), 4, "a row, a mute, a group, a closed account");
        tenant.erase("forgettable-anna");
        assert_eq!((has(&tenant, "forgettable-anna"), has(&tenant, "boris")), (0, 2));
        let restored = Tenant::restore(&tenant.snapshot(), []).expect("a snapshot");
        assert!(restored.people.has_contact("+79161234567"), "boris has that number, too");
    }
}
