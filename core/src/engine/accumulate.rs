//! What an event adds to its manager-day (DETECTION.md §3).

use std::{collections::BTreeMap, sync::Arc};

use super::{
    baseline::{
        hours::{self, Hour, WEEK},
        novelty::{self, Asker, Everybody, Rates, WEIGHT},
    },
    calendar::hour_of_week,
    control::{self, Asked, bulk_export, mass_change},
    day::Day,
    detector::{DRIFTS_ON, HURDLE, RULE, SHARE, Set},
    explain::{Attribute, Detector},
    manager::Baseline,
    math::{ln_1p, number},
    memory::Memory,
    people::{People, Person},
    personal,
    places::Spot,
    relation::{self, Relation},
    rule::{Hits, Rules},
    sketch::Known,
    team::Teams,
    terms::Terms,
    watch::Watch,
    windows::Windows,
};
use crate::{
    directory::schedule,
    event::{Action, Channel, Direction, Enriched, Event, HOUR_MS, NamedClient, Owner, Place, Tier, Timestamp, Work},
};

/// An event as it is scored.
pub(super) struct Moment<'a> {
    pub(super) event: &'a Event,
    pub(super) enriched: &'a Enriched,
    /// The person in force at the event.
    pub(super) person: &'a Person,
    /// Their wall clock.
    pub(super) local_ms: i64,
}

/// What a manager shares with others.
pub(super) struct Company<'a> {
    pub(super) people: &'a People,
    pub(super) teams: &'a mut Teams,
    pub(super) everybody: &'a mut Everybody,
    /// Clients that anybody touched.
    pub(super) windows: &'a mut Windows,
    pub(super) rates: &'a Rates,
    pub(super) terms: &'a Terms,
    pub(super) priors: &'a mut Priors,
    pub(super) watch: &'a mut Watch,
    /// Hash of the manager's id.
    pub(super) me: u64,
}

/// Schedules, read once.
#[derive(Debug, Default)]
pub(super) struct Priors(BTreeMap<Arc<str>, Box<[f64; WEEK]>>);

impl Priors {
    fn of(&mut self, text: &Arc<str>) -> &[f64; WEEK] {
        self.0.entry(text.clone()).or_insert_with(|| Box::new(schedule::prior(text)))
    }
}

/// Records leave.
pub(super) fn goes_out(action: Action) -> bool {
    matches!(action, Action::Export | Action::Print | Action::ApiQuery)
}

/// Records are shown.
fn is_shown(action: Action) -> bool {
    matches!(action, Action::List | Action::Report | Action::Search | Action::View)
}

fn records(event: &Event) -> u64 {
    event.records.unwrap_or(u64::from(event.action == Action::View))
}

/// Adds an event to its day; returns the detectors whose x changed. A closed day teaches nothing.
pub(super) fn accumulate(day: &mut Day, base: &mut Baseline, memory: &mut Memory, now: &Moment<'_>, company: &mut Company<'_>) -> Set {
    let (event, before) = (now.event, day.x);
    let (ok, rec) = (event.ok(), number(records(event)));
    day.events += 1;
    if ok {
        volumes(day, now, rec, company);
        let calls = event.action == Action::Call;
        let contact = is_contact(event);
        for client in &now.enriched.enrich.clients {
            if contact {
                base.contacts.note(client.h, event.time.millis());
            }
            touch(day, base, client, now, calls, company);
        }
    } else if event.action == Action::Login {
        day.x[Detector::Authfail as usize] += 1.0;
    }
    let spot = event.client.as_ref().map(Spot::of);
    if let Some(spot) = spot.as_ref().filter(|_| ok) {
        let returned = day.places.meet(spot, event.time.millis());
        day.x[Detector::TwoPlaces as usize] += if returned { 1.0 } else { 0.0 };
    }
    let day_off = company.terms.days_off && matches!(now.enriched.enrich.work, Some(Work::Absent | Work::Holiday));
    day.day_off |= day_off;
    let sp = hour(day, base, now.local_ms, day_off, company).sp;
    if event.action != Action::Logout {
        day.x[Detector::Offh as usize] += 0.25 * sp * (1.0 + ln_1p(if ok { rec } else { 0.0 }));
    }
    if ok && goes_out(event.action) {
        day.x[Detector::OffOut as usize] += sp * ln_1p(rec);
    }
    let asked = Asked { now, terms: company.terms, people: company.people, base, date: day.date };
    control::ask(&asked, records(event), &mut day.hits);
    control::ask_on(&asked, spot.as_ref(), memory, company.watch, day);
    if bulk_export::is_answer(event) {
        day.largest = day.largest.max(records(event));
    }
    day.x[RULE] = day.hits.nats(Rules::ALL);
    if ok && let Some(channel) = event.channel {
        // Whoever has no past has no habits either.
        let new = memory.channels >> channel as u8 & 1 == 0 && base.hurdle.days() > 0.0;
        day.new_channel |= new && matches!(channel, Channel::Api | Channel::BulkApi);
        memory.channels |= 1 << channel as u8;
    }
    news(day, base, event, spot, company);
    count(day, event);
    let mut changed = Set::default();
    for k in (0..HURDLE).chain([SHARE, RULE]) {
        #[expect(clippy::float_cmp, reason = "whether anything was added")]
        if day.x[k] != before[k] {
            changed = changed.with(k);
        }
    }
    for (j, on) in DRIFTS_ON.into_iter().enumerate() {
        if changed.meets(on) {
            changed = changed.with(HURDLE + j);
        }
    }
    changed
}

fn volumes(day: &mut Day, now: &Moment<'_>, rec: f64, company: &Company<'_>) {
    use Detector::{Destr, Ext, NOut, NQuery, NUpd, RecOut, RecScr, RecUnf};
    let (event, people) = (now.event, company.people);
    let mut add = |detector: Detector, n: f64| day.x[detector as usize] += n;
    let (out, shown) = (goes_out(event.action), is_shown(event.action));
    if out {
        add(RecOut, rec);
        add(NOut, 1.0);
    } else if shown {
        add(RecScr, rec);
    }
    if (out || shown) && rec > 1.0 && event.query.as_ref().and_then(|q| q.filter) == Some(false) {
        add(RecUnf, rec);
    }
    match event.action {
        Action::Search | Action::List | Action::Report => add(NQuery, 1.0),
        Action::Delete | Action::Merge if company.terms.tidied > 1.0 && mass_change::is_housekeeping(now.enriched) => {
            add(Destr, rec.max(1.0) / company.terms.tidied);
            day.tidied = day.tidied.saturating_add(records(event).max(1));
        }
        Action::Delete | Action::Merge => add(Destr, rec.max(1.0)),
        Action::Update => add(NUpd, rec.max(1.0)),
        Action::Transfer => {
            add(Destr, rec.max(1.0));
            if outside(event, people) {
                add(Ext, rec.max(1.0));
            }
        }
        Action::Share => add(Ext, rec.max(1.0) * if outside(event, people) { 1.0 } else { 0.1 }),
        _ => {}
    }
}

/// Given to an address that is no user's id.
fn outside(event: &Event, people: &People) -> bool {
    let Some(change) = &event.change else { return false };
    let (first, other) = match event.action {
        Action::Transfer => (&change.to, &change.target),
        _ => (&change.target, &change.to),
    };
    let said = |t: &&String| !t.is_empty();
    let target = first.as_ref().filter(said).or(other.as_ref().filter(said));
    target.is_some_and(|t| t.contains('@') && !people.contains(t))
}

/// The client contacted the manager.
fn is_contact(event: &Event) -> bool {
    match event.action {
        Action::Call => event.call.as_ref().and_then(|c| c.direction) == Some(Direction::In),
        Action::Email | Action::Message => event.attrs.get("direction").and_then(|d| d.as_str()) == Some("in"),
        _ => false,
    }
}

fn touch(day: &mut Day, base: &mut Baseline, client: &NamedClient, now: &Moment<'_>, calls: bool, company: &mut Company<'_>) {
    let mut weigh = || relation::of(base, client, day.date, now.event.time, !day.closed);
    let weight = match day.touched.meet(client.h) {
        Known::Weight(w) => w,
        // Its weight was not kept; today's is the best that is left.
        Known::Probably => {
            if calls {
                weigh().weight()
            } else {
                0
            }
        }
        Known::New => {
            let relation = weigh();
            let w = relation.weight();
            day.touched.insert(client.h, w);
            new_client(day, base, client.h, now.event.time, company.windows);
            let (nats, stranger) = (f64::from(w) / 16.0, f64::from(w.min(16)) / 16.0);
            day.x[Detector::Unrel as usize] += nats;
            day.x[Detector::UnrelShare as usize] += stranger;
            company.teams.day(day.date, day.team()).touch(nats, stranger);
            if let Relation::Reason(reason) = relation {
                day.reasons[reason as usize] += 1;
            } else {
                day.unrelated_key += u64::from(client.tier == Some(Tier::Key));
                day.substitute |= client.owner == Owner::TeamAbsent;
                day.former += if client.former.is_some() { nats } else { 0.0 };
                let other_team = client.team.as_deref().is_some_and(|team| !team.is_empty() && *team != *day.post.team);
                day.elsewhere += if other_team { nats } else { 0.0 };
            }
            w
        }
    };
    day.x[Detector::Distinct as usize] = day.touched.count();
    if calls && day.touched.call(client.h) {
        day.x[Detector::Ucall as usize] += f64::from(weight) / 16.0;
    }
}

/// A client is touched for the first time today: within the hour, the week, the month.
fn new_client(day: &mut Day, base: &mut Baseline, h: u64, t: Timestamp, everybody: &mut Windows) {
    let hour = day.hour(t.millis().div_euclid(HOUR_MS));
    hour.clients += 1;
    let within = number(hour.clients);
    let mut raise = |detector: Detector, n: f64| day.x[detector as usize] = day.x[detector as usize].max(n);
    raise(Detector::Clients1h, within);
    if !day.closed {
        everybody.note(day.date, h);
        let [week, month] = base.windows.touch(day.date, h);
        raise(Detector::Clients7d, week);
        raise(Detector::Clients30d, month);
    }
}

/// What the event's hour means: computed at the first event of each hour of a manager-day and kept for it.
fn hour(day: &mut Day, base: &mut Baseline, local_ms: i64, day_off: bool, company: &mut Company<'_>) -> Hour {
    let b = hour_of_week(local_ms);
    let key = u8::try_from(b).expect("168 hours");
    if let Some((_, hour)) = day.hours.iter().rfind(|(k, _)| *k == key) {
        return *hour;
    }
    let team = company.teams.hours(day.team());
    let hour = hours::surprise(&base.hours, team, company.priors.of(&day.post.schedule), b, day_off);
    if !day.closed {
        hours::learn(&mut base.hours, team, b);
    }
    day.hours.push((key, hour));
    hour
}

/// New networks, countries, programs, devices; new kinds of action and query.
fn news(day: &mut Day, base: &mut Baseline, event: &Event, spot: Option<Spot<'_>>, company: &mut Company<'_>) {
    let ok = event.ok();
    let asker = Asker { me: company.me, team: day.team() };
    let mut meet = |a: Attribute, value: &[u8], show: &dyn Fn() -> String| {
        let (own, hash) = (&mut base.novelty[a as usize], novelty::hash(a, value));
        day.news.see(a);
        let known = own.knows(hash);
        if !known && day.news.count(hash) {
            let detector = if matches!(a, Attribute::Action | Attribute::Fingerprint) { Detector::NovQ } else { Detector::NovCtx };
            day.x[detector as usize] += WEIGHT[a as usize] * own.surprise(company.rates, company.everybody, a, hash, asker);
            day.news.show(a, own.rate(company.rates, a), show);
        }
        if !ok || day.closed {
            return;
        }
        let first_today = own.learn(a, hash, day.date);
        if !known {
            day.news.learn(a);
            company.everybody.learn(hash, asker, day.date);
        } else if first_today {
            company.everybody.used(hash, day.date);
        }
    };
    if let Some((place, spot)) = event.client.as_ref().zip(spot) {
        context(place, &spot, &mut meet);
    }
    if ok {
        let channel = event.channel.map_or("", Channel::as_str);
        let pair = || format!("{}/{channel}", event.action.as_str());
        // Two words in fixed places: the same for the same pair, without building a text for each event.
        let mut words = [0; 48];
        for (place, word) in words.chunks_mut(24).zip([event.action.as_str(), channel]) {
            place[..word.len()].copy_from_slice(word.as_bytes());
        }
        meet(Attribute::Action, &words, &pair);
        if matches!(event.action, Action::Report | Action::Export | Action::List | Action::ApiQuery) {
            let fingerprint = event.query.as_ref().and_then(|q| q.fingerprint.as_deref());
            if let Some(f) = fingerprint.filter(|f| !f.is_empty()) {
                meet(Attribute::Fingerprint, f.as_bytes(), &|| f.to_owned());
            }
        }
        if company.terms.personal_fields {
            for field in event.query.iter().flat_map(|q| personal::kinds(&q.fields)) {
                meet(Attribute::Fingerprint, field.as_bytes(), &|| field.clone());
            }
        }
    }
}

/// Software and place.
fn context(place: &Place, spot: &Spot<'_>, meet: &mut impl FnMut(Attribute, &[u8], &dyn Fn() -> String)) {
    if let Some(network) = &spot.network {
        meet(Attribute::Network, &network.bytes(), &|| network.to_string());
    }
    if let Some(country) = place.country.as_deref().filter(|c| !c.is_empty()) {
        meet(Attribute::Country, country.as_bytes(), &|| country.to_owned());
    }
    if let Some(asn) = place.asn {
        meet(Attribute::Asn, &asn.to_le_bytes(), &|| asn.to_string());
    }
    if let Some(agent) = &spot.agent {
        meet(Attribute::Agent, agent.as_bytes(), &|| agent.to_string());
    }
    if let Some(device) = spot.device {
        meet(Attribute::Device, device.as_bytes(), &|| device.to_owned());
    }
}

/// Hard rules that an event breaks by itself: all that is asked about one of long ago.
pub(super) fn rules(day: &mut Day, base: &Baseline, now: &Moment<'_>, people: &People, terms: &Terms) {
    let mut hits = Hits::default();
    let asked = Asked { now, terms, people, base, date: day.date };
    control::ask(&asked, records(now.event), &mut hits);
    day.hits = hits;
    day.x[RULE] = day.hits.nats(Rules::ALL);
}

/// The roll-ups.
fn count(day: &mut Day, event: &Event) {
    day.rolled = true;
    let hour = day.hour(event.time.millis().div_euclid(HOUR_MS));
    hour.rolled = true;
    hour.events += 1;
    if !event.ok() {
        return;
    }
    let n = records(event);
    if goes_out(event.action) {
        hour.records_out = hour.records_out.saturating_add(n);
    } else if is_shown(event.action) {
        hour.records_screen = hour.records_screen.saturating_add(n);
    } else if event.action == Action::Call {
        hour.calls += 1;
    }
}
