//! One address against many accounts (CONTROLS.md, kind A): an alert about the address.

use super::{
    Effect, Severity, Signal, Subject, SubjectKind,
    accumulate::Moment,
    alert::Lone,
    calendar::manager_day,
    control::spraying,
    episode::Claim,
    explain,
    math::{count, number},
    mute::About,
    places::Network,
    tenant::Tenant,
};
use crate::event::Action;

impl Tenant {
    /// Failed log-ins of many accounts from one address are an alert about the address.
    pub(super) fn failed(&mut self, now: &Moment<'_>, effects: &mut Vec<Effect>) {
        let (event, limits) = (now.event, &self.terms.limits);
        if event.action != Action::Login || event.ok() {
            return;
        }
        let Some(ip) = event.client.as_ref().and_then(|c| c.ip.as_deref()) else { return };
        let Ok(network) = ip.parse().map(Network::of) else { return };
        let (manager, t, reference) = (&now.enriched.enrich.manager, event.time.millis(), event.reference());
        let (wave, accounts) = self.shared.watch.waves.fail(&network, ip, manager, reference.clone(), t, limits.spray_ms);
        let accounts = number(accounts);
        if accounts < limits.accounts || !self.terms.enabled("spraying") {
            return;
        }
        let zone = self.calendar.zone_of(0).clone();
        let date = manager_day(zone.local_ms(event.time));
        // An alert keeps its subject, also when another address of the network joins in.
        if !Claim::is_open(&wave.episodes, date, t) {
            wave.subject = if wave.is_one_address() { ip.to_owned() } else { network.to_string() };
        }
        let lone = Lone {
            tenant: &self.name,
            subject: Subject { kind: SubjectKind::Address, id: wave.subject.clone() },
            person: None,
            control: "spraying",
            severity: Severity::High,
            time: event.time,
            observed: accounts,
            expected: limits.accounts,
            unit: "accounts",
            sentence: spraying::sentence(ip, accounts, limits.accounts, &explain::clock(&zone, event.time)),
            prior: self.shared.prior.as_deref(),
        };
        let claim = Claim {
            date,
            time: t,
            severity: Severity::High,
            bits: lone.bits(),
            records: wave.failed,
            clients: count(accounts),
            controls: vec!["spraying"],
        };
        let end = self.calendar.end(date);
        let Some((episode, notify)) = claim.file(&mut wave.episodes, || end, || lone.alert_id(&[&reference])) else { return };
        let about = About { manager: None, team: "", now: Some(now), address: Some(&lone.subject.id), time: event.time };
        let muted = self.shared.mutes.silence("spraying", &about);
        if episode.version == 1 {
            effects.push(Effect::Signal(Box::new(Signal { muted, ..lone.signal(manager, &reference, &reference) })));
        }
        if muted {
            return;
        }
        let references = wave.references.iter().map(|r| r.to_string()).collect();
        let late = self.calendar.is_closed(date);
        effects.push(Effect::Alert(Box::new(lone.version(&episode, notify, late, references, wave.failed))));
    }
}
