//! What a sentence is made from: the numbers that were used, nothing recomputed.

use serde::{Deserialize, Serialize};

use crate::{
    directory::Zone,
    engine::{detector::SLOW, rule::Rule},
    event::{Timestamp, words},
};

words! {
    /// The detectors: those of DETECTION.md §3, and what goes beyond them.
    Detector {
        /// 1: records on export, print, API.
        RecOut = "rec_out",
        /// 2: records on list, report, search, view.
        RecScr = "rec_scr",
        /// 3: records of queries without a filter.
        RecUnf = "rec_unf",
        /// 4: number of exports, prints, API queries.
        NOut = "n_out",
        /// 5: number of searches, lists, reports.
        NQuery = "n_query",
        /// 6: distinct clients touched.
        Distinct = "distinct",
        /// 7: weight of clients touched without a reason.
        Unrel = "unrel",
        /// 8: the same over clients called.
        Ucall = "ucall",
        /// 9: records deleted, merged, transferred.
        Destr = "destr",
        /// 10: records updated.
        NUpd = "n_upd",
        /// 11: records shared or given away.
        Ext = "ext",
        /// 12: work at unusual hours.
        Offh = "offh",
        /// 13: records that left at unusual hours.
        OffOut = "off_out",
        /// 14: new network, country, program, device.
        NovCtx = "nov_ctx",
        /// 15: new kind of action or query.
        NovQ = "nov_q",
        /// 16: failed log-ins.
        Authfail = "authfail",
        /// Returns from one place and program to another within half an hour.
        TwoPlaces = "two_places",
        /// Clients first touched today, within one hour.
        Clients1h = "clients_1h",
        /// Distinct clients touched within 7 days.
        Clients7d = "clients_7d",
        /// Distinct clients touched within 30 days.
        Clients30d = "clients_30d",
        /// 17: slow drift of records.
        CRec = "c_rec",
        /// 18: slow drift of unrelated clients.
        CUnrel = "c_unrel",
        /// 19: slow drift of distinct clients.
        CDistinct = "c_distinct",
        /// Slow drift of records that left.
        COut = "c_out",
        /// Share of clients touched without a reason among those touched.
        UnrelShare = "unrel_share",
        /// 20: hard rules.
        Rule = "rule",
    }
}

words! {
    /// The nine families of DETECTION.md §9, in their order.
    Family {
        /// How much.
        Volume = "volume",
        /// Whose clients.
        Relation = "relation",
        /// What was destroyed or given away.
        Destruct = "destruct",
        /// When.
        Time = "time",
        /// From where, with what.
        Novelty = "novelty",
        /// What kind of question.
        Content = "content",
        /// Failed log-ins.
        Auth = "auth",
        /// Slowly, day by day.
        Drip = "drip",
        /// Broken policy.
        Rule = "rule",
    }
}

words! {
    /// What can be new about an event (DETECTION.md §3, novelty), in their order.
    Attribute {
        /// /24 or /56 network.
        Network = "network",
        /// Country.
        Country = "country",
        /// Autonomous system.
        Asn = "asn",
        /// User agent.
        Agent = "agent",
        /// Device.
        Device = "device",
        /// (action, channel) pair.
        Action = "action",
        /// Query fingerprint.
        Fingerprint = "fingerprint",
    }
}

/// A family's leading detector at the moment of an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The detector with the family's greatest evidence.
    pub detector: Detector,
    /// Its family.
    pub family: Family,
    /// The control it speaks for; of the rule family, the strongest rule's id.
    pub control: String,
    /// Evidence of the detector after recalibration, nats: about once in e^s manager-days.
    pub s: f64,
    /// The family's share of the alert, millibits.
    pub bits: u64,
    /// Today's x.
    pub observed: f64,
    /// The person's usual value on days with any; none for drip and rules.
    pub usual: Option<Usual>,
    /// What the common-mode discount took, nats; > 0: the team rose too.
    pub discount: f64,
}

/// A person's usual day, from the hurdle log-normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// exp(m) − 1.
    pub mid: f64,
    /// exp(m − 1.44 sd) − 1.
    pub low: f64,
    /// exp(m + 1.44 sd) − 1.
    pub high: f64,
    /// The role's exp(m_p) − 1.
    pub role: f64,
    /// Share of days with any (pi).
    pub share: f64,
}

/// A value that was new to the person today.
#[derive(Clone, Debug, PartialEq)]
pub struct NewValue {
    /// What is new.
    pub attribute: Attribute,
    /// The value, as shown (`NL`, `198.51.100.0/24`, `export/bulk_api`).
    pub value: String,
    /// How often something new of this kind comes on this person's days, 0 to 1.
    pub rate: f64,
}

words! {
    /// Why a manager has to do with a client.
    Reason {
        /// It is their own.
        Own = "own",
        /// They take part in an order of the client, or the source ties the event to one.
        Order = "order",
        /// It was theirs until lately.
        HandOver = "hand_over",
        /// The client called or wrote within two days.
        Contact = "contact",
        /// It is nobody's, as far as is known.
        Unowned = "unowned",
    }
}

/// Number of reasons.
pub const REASONS: usize = 5;

/// A rule that was broken, and what is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Which.
    pub rule: Rule,
    /// How often today.
    pub n: u64,
    /// First time.
    pub at: Timestamp,
    /// What was seen.
    pub observed: f64,
    /// What is expected at most.
    pub expected: f64,
    /// What the source called things.
    pub texts: Vec<Box<str>>,
}

/// A source's text is kept so long.
const LONGEST: usize = 64;

impl Hit {
    pub(in crate::engine) fn new(rule: Rule, at: Timestamp, [observed, expected]: [f64; 2], texts: &[&str]) -> Self {
        let kept = |t: &&str| t.chars().take(LONGEST).collect::<String>().into();
        Self { rule, n: 1, at, observed, expected, texts: texts.iter().map(kept).collect() }
    }

    /// One of the texts, unless it is empty.
    pub(in crate::engine) fn text(&self, i: usize) -> Option<&str> {
        self.texts.get(i).map(|t| &**t).filter(|t| !t.trim().is_empty())
    }
}

/// What holds for the whole manager-day so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The person's zone, in which dates are shown.
    pub zone: Zone,
    /// Local wall clock of the event: hour and minute.
    pub local: (u8, u8),
    /// Share of this person's time that this hour of the week holds (dens), 0 to 1.
    pub hour_share: f64,
    /// Records that left today.
    pub records_out: u64,
    /// Records shown today.
    pub records_screen: u64,
    /// Records that an administrator tidied up today.
    pub tidied: u64,
    /// How many of them weigh as one destroyed.
    pub tidied_as_one: f64,
    /// Distinct clients touched today.
    pub clients: u64,
    /// Of those, how many had a reason (weight 0).
    pub clients_related: u64,
    /// Those by their reason.
    pub reasons: [u64; REASONS],
    /// Of those without one, how many are key clients.
    pub unrelated_key: u64,
    /// Mean of `unrel` over the team's other members today; none with fewer than three.
    pub team_unrelated: Option<f64>,
    /// Fewer clients were touched than on a usual day, so that a share is one of a usual day's.
    pub few_clients: bool,
    /// Share of clients touched without a reason among those that the team's other members touched today; none with too few.
    pub team_share: Option<f64>,
    /// That share begins from the one of the team's day before.
    pub team_lately: bool,
    /// New values of today, in order of appearance.
    pub new_values: Vec<NewValue>,
    /// Distinct clients of the last 90 days, about: the person's, and everybody's.
    pub quarter: Option<(u64, u64)>,
    /// Days on which the drift of (records, unrelated, distinct, records that left) has been above zero without a break.
    pub drift_days: [u16; SLOW],
    /// The drift itself.
    pub drift: [f64; SLOW],
    /// Learned days behind the baseline (N).
    pub baseline_days: f64,
    /// The budget in force, alerts per 100 manager-days.
    pub budget: f64,
    /// Notice given or dismissed, from this instant.
    pub notice_at: Option<Timestamp>,
    /// First instant without access.
    pub terminated_at: Option<Timestamp>,
    /// Something was done today although it is a day off by the calendar.
    pub day_off: bool,
    /// The person is absent by the calendar.
    pub absent: bool,
    /// Some touched clients belong to an absent colleague.
    pub substitute: bool,
    /// Weight of touched clients who were the manager's own or whose deal with them was lost, without a reason today.
    pub former: f64,
    /// Weight of touched clients of other teams.
    pub elsewhere: f64,
    /// Broken rules of the day, the strongest first.
    pub hits: Vec<Hit>,
}
