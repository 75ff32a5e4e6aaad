//! Properties of the whole engine.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    testing::{PEOPLE, Seed, event, log, row, seeds},
    *,
};
use crate::{
    directory::{User, When},
    event::{Date, Timestamp},
};

/// The rules of schemas/sigma: id to name and text of the file.
fn pack() -> BTreeMap<String, (String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/sigma");
    let of = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a text");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (book, _) = sigma::Book::read(&[(name.clone(), text.clone())].into());
        (book.rules()[0].id.clone(), (name, text))
    };
    std::fs::read_dir(folder).expect("a folder").map(|entry| of(entry.expect("readable").path())).collect()
}

/// A tenant and what a checkpoint store would hold of it: only what it calls changed is written anew.
#[derive(Default)]
struct Store {
    managers: BTreeMap<String, Vec<u8>>,
    seen: Vec<(u64, Timestamp)>,
}

impl Store {
    fn save(&mut self, tenant: &mut Tenant) -> Vec<u8> {
        for id in tenant.changed_managers() {
            let bytes = tenant.manager_snapshot(&id);
            self.managers.insert(id, bytes);
        }
        tenant.mark_clean();
        tenant.snapshot()
    }

    fn restart(&mut self, tenant: &mut Tenant) {
        let shared = self.save(tenant);
        *tenant = Tenant::restore(&shared, self.managers.clone()).expect("its own snapshot");
        tenant.remember(self.seen.iter().copied());
    }
}

/// All that comes of a log.
#[derive(Default, PartialEq, Debug)]
struct Outcomes {
    traces: Vec<Trace>,
    effects: Vec<Effect>,
    shared: Vec<u8>,
    managers: BTreeMap<String, Vec<u8>>,
    days: Vec<ManagerDay>,
    hours: Vec<ManagerHour>,
}

/// Applies a log, with restarts before some of its records; roll-ups are taken just before each, as the pipeline does.
fn run(log: &[Record], restarts: &[usize]) -> Outcomes {
    let (mut tenant, mut store, mut out) = (Tenant::new("t"), Store::default(), Outcomes::default());
    let roll = |tenant: &mut Tenant, out: &mut Outcomes| {
        let (days, hours) = tenant.take_rollups();
        out.days.extend(days);
        out.hours.extend(hours);
    };
    for (i, record) in log.iter().enumerate() {
        if restarts.contains(&i) {
            roll(&mut tenant, &mut out);
            store.restart(&mut tenant);
        }
        let from = out.effects.len();
        tenant.apply(record, &mut out.effects);
        if let (Record::Event(e), Some(Effect::Stored { late })) = (record, out.effects.get(from)) {
            store.seen.push((e.event.dedup_hash(), e.event.time));
            out.traces.extend(matches!(late, Lateness::OnTime | Lateness::Late).then(|| tenant.last_trace().clone()));
        }
    }
    roll(&mut tenant, &mut out);
    out.shared = store.save(&mut tenant);
    // What the store holds by now is what the tenant would say of all its managers.
    out.managers = tenant.managers().into_iter().map(|id| (id.clone(), tenant.manager_snapshot(&id))).collect();
    assert_eq!(store.managers, out.managers, "a change that was not called one");
    out.days = latest(out.days, |d| (d.manager.clone(), d.date));
    out.hours = latest(out.hours, |h| (h.manager.clone(), h.hour));
    out
}

/// All states after a log, without mutes and without the alerts that they kept from being told.
fn learned(log: &[Record]) -> (Vec<u8>, BTreeMap<String, Vec<u8>>) {
    let mut tenant = Tenant::new("t");
    log.iter().for_each(|record| tenant.apply(record, &mut Vec::new()));
    tenant.shared.mutes = Default::default();
    let ids = tenant.managers();
    for id in &ids {
        let n = tenant.roster.find(id).expect("one of them");
        let manager = tenant.roster.change(n);
        (manager.episodes, manager.nears) = Default::default();
    }
    let managers = ids.iter().map(|id| (id.clone(), tenant.manager_snapshot(id))).collect();
    (tenant.snapshot(), managers)
}

/// Roll-ups are absolute: the last one of a key holds.
fn latest<T, K: Ord>(rows: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    rows.into_iter().map(|r| (key(&r), r)).collect::<BTreeMap<_, _>>().into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_changes_nothing(seeds in seeds(1..500), cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..4)) {
        let log = log(&seeds);
        let cuts: Vec<usize> = cuts.iter().map(|c| c.index(log.len())).collect();
        let (whole, cut) = (run(&log, &[]), run(&log, &cuts));
        for (i, (a, b)) in whole.traces.iter().zip(&cut.traces).enumerate() {
            prop_assert_eq!(a, b, "event {}", i);
        }
        prop_assert_eq!(whole, cut);
    }

    /// Score and learning know nothing of mutes; what is told is the same, or less of it.
    #[test]
    fn a_mute_changes_nothing_but_what_is_told(seeds in seeds(50..400), controls in prop::collection::vec(any::<prop::sample::Index>(), 1..6)) {
        let plain = log(&seeds);
        let mutes = controls.iter().enumerate().map(|(i, c)| {
            let control = control::ALL[c.index(control::ALL.len())].id.to_owned();
            let manager = (i % 2 == 1).then(|| PEOPLE[i].to_owned());
            let (from, until) = (Timestamp::MIN, Timestamp::MAX);
            Record::Mute(Mute { id: i.to_string(), control: Some(control), manager, from, until, reason: "r".to_owned(), by: "b".to_owned(), ..Mute::default() })
        });
        let muted: Vec<Record> = plain[..1].iter().cloned().chain(mutes).chain(plain[1..].iter().cloned()).collect();
        let (a, b) = (run(&plain, &[]), run(&muted, &[]));
        prop_assert_eq!(&a.traces, &b.traces);
        prop_assert_eq!((a.days, a.hours), (b.days, b.hours));
        prop_assert!(learned(&plain) == learned(&muted), "what is learned depends on who listens");
        let signals = |effects: &[Effect]| -> Vec<Signal> {
            effects.iter().filter_map(|e| if let Effect::Signal(s) = e { Some(Signal { muted: false, ..(**s).clone() }) } else { None }).collect()
        };
        prop_assert_eq!(signals(&a.effects), signals(&b.effects));
        let muted_controls: Vec<&str> = controls.iter().enumerate().filter(|(i, _)| i % 2 == 0).map(|(_, c)| control::ALL[c.index(control::ALL.len())].id).collect();
        for effect in &b.effects {
            if let Effect::Signal(s) = effect {
                prop_assert!(s.muted || !muted_controls.contains(&s.control.as_str()), "{:?}", s);
            }
            if let Effect::Alert(alert) = effect && !alert.lookback {
                prop_assert!(!muted_controls.contains(&alert.kind.as_str()) || alert.controls.len() > 1, "{:?}", alert);
            }
        }
    }

    /// The rules of schemas/sigma and Filin's own find the same.
    #[test]
    fn the_sigma_pack_agrees_with_the_rules(seeds in seeds(1..200)) {
        let pack = pack();
        let policy = Policy { require_mfa: true, sigma: pack.values().map(|(name, text)| (name.clone(), text.clone())).collect(), ..Policy::default() };
        for record in log(&seeds) {
            let Record::Event(event) = record else { continue };
            let mut tenant = Tenant::new("t");
            let mut effects = Vec::new();
            tenant.apply(&Record::Policy(policy.clone()), &mut effects);
            for (i, id) in PEOPLE.iter().enumerate() {
                let terminated_at = (i == 3).then(|| Date::parse("2026-03-01").map(When::Day)).flatten();
                tenant.apply(&Record::User(Box::new(User { terminated_at, ..row(id, 0, None) })), &mut effects);
            }
            effects.clear();
            tenant.apply(&Record::Event(event.clone()), &mut effects);
            let (mut rules, mut sigma) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
            for effect in &effects {
                let Effect::Signal(s) = effect else { continue };
                let found = match s.control.as_str() {
                    "sigma" => {
                        sigma.insert(pack[&s.detector].0.trim_end_matches(".yml").to_owned());
                        continue;
                    }
                    "audit_gap" => "audit_off",
                    "endpoint_risk" => "endpoint_finding",
                    // Somebody else's rights are no rule of the pack.
                    "privilege" if s.bits > 25_000 => "privilege_self",
                    plain @ ("address_denied" | "decoy" | "insecure_transport" | "junior_delete" | "key_client" | "leaver_active" | "no_mfa") => plain,
                    _ => continue,
                };
                rules.insert(found.to_owned());
            }
            prop_assert_eq!(rules, sigma, "{:?}", event);
        }
    }

    #[test]
    fn alerts_keep_their_promises(seeds in seeds(100..600)) {
        let Outcomes { effects, days, hours, .. } = run(&log(&seeds), &[]);
        let mut alerts = BTreeMap::<&str, &AlertVersion>::new();
        for a in effects.iter().filter_map(|e| if let Effect::Alert(a) = e { Some(a) } else { None }) {
            prop_assert_eq!(a.contributions.iter().map(|c| c.bits).sum::<u64>(), a.bits, "{:?}", a);
            prop_assert!(a.contributions.windows(2).all(|w| w[0].bits >= w[1].bits));
            prop_assert!(a.contributions.iter().all(|c| c.sentence.is_some() == (c.bits * 20 >= a.bits)));
            // What did not happen has no event.
                let absent = a.subject.kind != SubjectKind::Manager && a.subject.kind != SubjectKind::Address || a.kind == "leaver_not_closed";
                prop_assert!(a.event_ids.is_empty() == absent && a.event_ids.len() <= 100 && a.score <= 100.0 && a.ln_p <= 0.0);
            prop_assert!(a.controls.is_sorted() && a.mitre.is_sorted() && a.controls.contains(&a.kind));
            prop_assert!(!a.summary.en.is_empty() && !a.summary.ru.is_empty());
            let before = alerts.insert(&a.alert_id, a);
            prop_assert_eq!(a.version, before.map_or(1, |b| b.version + 1), "{:?} after {:?}", a, before);
            prop_assert_eq!(a.notify, before.is_none_or(|b| a.severity > b.severity));
            prop_assert!(before.is_none_or(|b| a.severity >= b.severity && a.opened_at == b.opened_at));
        }
        let stored = effects.iter().filter(|e| matches!(e, Effect::Stored { late: Lateness::OnTime | Lateness::Late })).count() as u64;
        prop_assert_eq!(days.iter().map(|d| d.events).sum::<u64>(), stored);
        prop_assert_eq!(hours.iter().map(|h| h.events).sum::<u64>(), stored);
    }

    #[test]
    fn more_records_are_never_less_surprising(seeds in seeds(1..300), last in seeds(1..2), more in 1..5000_u64) {
        let mut log = log(&seeds);
        let (who, what, how, _, n, entropy) = last[0];
        let t = log.iter().filter_map(|r| if let Record::Event(e) = r { Some(e.event.time) } else { None }).max();
        let mut e = event(100_000, who, what, how, n % 3000, entropy, t.unwrap_or_default());
        log.push(Record::Event(Box::new(e.clone())));
        let score = |log: &[Record]| {
            let mut tenant = Tenant::new("t");
            log.iter().for_each(|r| tenant.apply(r, &mut Vec::new()));
            tenant.last_trace().score
        };
        let less = score(&log);
        e.event.records = Some(e.event.records.unwrap_or_default() + more);
        log.pop();
        log.push(Record::Event(Box::new(e)));
        prop_assert!(score(&log) >= less - 1e-9);
    }
}

#[test]
fn repeated_rows_and_policies_change_nothing() {
    let mut tenant = Tenant::new("t");
    let records = log(&[]);
    records.iter().for_each(|r| tenant.apply(r, &mut Vec::new()));
    let before = tenant.snapshot();
    records.iter().for_each(|r| tenant.apply(r, &mut Vec::new()));
    assert_eq!(tenant.snapshot(), before);
}

/// Ten days of all kinds of events, the same whenever it is asked.
fn steady() -> Vec<Record> {
    let seed = |i: u8| (i % 8, i, i.wrapping_mul(7), 30, u32::from(i) * 11, u64::from(i) * 0x9e37_79b9_7f4a);
    log(&(0..200).map(seed).collect::<Vec<Seed>>())
}

impl Tenant {
    /// As states before [`state::GREW`] had it: nothing is known of records that left day by day.
    fn forget_exports(&mut self) {
        for class in &mut self.shared.classes {
            class.pool.forget_exports();
            class.roles.values_mut().for_each(super::baseline::pool::Pool::forget_exports);
            class.histograms[detector::OUT] = Default::default();
            class.refresh();
        }
        self.roster.visit(|m| {
            m.base.drift.forget_exports();
            m.days.iter_mut().for_each(|d| (d.raw[detector::OUT], d.r[detector::OUT]) = (0.0, 0.0));
            false
        });
    }
}

/// What each version wrote after the first part of a log, read by this one, which goes on as if it had written it itself.
#[test]
fn states_of_earlier_versions_are_read() {
    type Saved = (Vec<u8>, Vec<(String, Vec<u8>)>);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/states");
    let records = steady();
    let (first, rest) = records.split_at(records.len() * 2 / 3);
    let save = |tenant: &Tenant| -> Saved {
        (tenant.snapshot(), tenant.managers().into_iter().map(|id| (id.clone(), tenant.manager_snapshot(&id))).collect())
    };
    let mut whole = Tenant::new("t");
    first.iter().for_each(|r| whole.apply(r, &mut Vec::new()));
    let written = save(&whole);
    let looked_back = |id: &String| whole.roster.find(id).is_some_and(|n| whole.roster.get(n).nears != Default::default());
    assert!(whole.managers().iter().any(looked_back), "no day to look back at");
    let mine = folder.join(format!("{}.bin", state::VERSION));
    if !mine.exists() {
        std::fs::write(&mine, postcard::to_stdvec(&written).expect("texts and bytes")).expect("a writable folder");
        panic!("{} was missing and is written now: add it to the repository", mine.display());
    }
    let seen = || {
        first.iter().filter_map(|r| match r {
            Record::Event(e) => Some((e.event.dedup_hash(), e.event.time)),
            _ => None,
        })
    };
    let goes_on = |mut tenant: Tenant| {
        tenant.remember(seen());
        let mut effects = Vec::new();
        rest.iter().for_each(|r| tenant.apply(r, &mut effects));
        (effects, save(&tenant))
    };
    let all: Vec<_> = std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("readable").path()).collect();
    assert_eq!(all.len(), usize::from(state::VERSION - state::OLDEST) + 1, "a version without its file");
    for path in all {
        let (shared, managers): Saved = postcard::from_bytes(&std::fs::read(&path).expect("readable")).expect("as it was written");
        let tenant = Tenant::restore(&shared, managers).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut same = Tenant::restore(&written.0, written.1.clone()).expect("what this version wrote");
        if shared[0] < state::GREW {
            same.forget_exports();
        }
        assert_eq!(save(&tenant), save(&same), "{}", path.display());
        let expected = goes_on(same);
        assert!(expected.0.iter().any(|e| matches!(e, Effect::Alert(_))), "the rest says nothing");
        assert!(goes_on(tenant) == expected, "{}", path.display());
        if shared[0] == state::VERSION {
            let mut effects = Vec::new();
            rest.iter().for_each(|r| whole.apply(r, &mut effects));
            assert!((effects, save(&whole)) == expected, "whoever never stopped");
        }
    }
}

#[test]
fn damaged_snapshots_are_told_and_never_panic() {
    let mut tenant = Tenant::new("t");
    steady().iter().for_each(|r| tenant.apply(r, &mut Vec::new()));
    let (shared, manager) = (tenant.snapshot(), tenant.manager_snapshot("anna"));
    assert!(Tenant::restore(&shared, [("anna".to_owned(), manager.clone())]).is_ok());
    assert!(matches!(Tenant::restore(&[], []), Err(state::Error::Damaged(_))));
    assert!(matches!(Tenant::restore(&[1, 0], []), Err(state::Error::Version { found: 1 })));
    let record = steady().pop().expect("some");
    for i in 1..manager.len() {
        let mut broken = manager.clone();
        broken[i] ^= 0x55;
        assert!(Tenant::restore(&shared, [("anna".to_owned(), manager[..i].to_vec())]).is_err(), "cut at {i}");
        // What can be read all the same is only wrong.
        if let Ok(mut tenant) = Tenant::restore(&shared, [("anna".to_owned(), broken)]) {
            tenant.apply(&record, &mut Vec::new());
        }
    }
}
