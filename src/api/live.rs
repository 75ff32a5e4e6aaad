//! `GET /v1/alerts/stream`: a list of alerts that stays as it is in the store, as server-sent events.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    time::Duration,
};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Api,
    alerts::{Alert, AlertParams, filter, params},
    asker::Asker,
    error::Error,
};
use crate::store::query::Filter;

/// How many listen at once: each is a small question a second.
pub(super) const LISTENERS: usize = 64;
/// How soon a listener may come again when there are too many.
const WAIT: Duration = Duration::from_secs(10);
/// Between looks whether anything changed.
const EVERY: Duration = Duration::from_secs(1);
/// After so many looks the list is read whatever they say: merges hide a change now and then.
const AT_MOST: u32 = 15;

/// What is told of an alert changes when this does.
type Shown = (u32, u32, u64);

fn shown(a: &Alert) -> Shown {
    (a.version.version, a.standing.revision, a.priority.to_bits())
}

struct Live {
    api: Api,
    asker: Asker,
    filter: Filter,
    known: BTreeMap<String, Shown>,
    told: VecDeque<Event>,
    mark: Option<[u64; 3]>,
    looks: u32,
    over: bool,
    /// One of [`LISTENERS`].
    _place: OwnedSemaphorePermit,
}

pub(super) async fn stream(
    State(api): State<Api>,
    asker: Asker,
    query: Result<Query<AlertParams>, QueryRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let filter = filter(params(query)?)?;
    if filter.after.is_some() {
        return Err(Error::bad("bad_query", "after: what changes is told of the first page alone"));
    }
    let place = std::sync::Arc::clone(&api.listeners).try_acquire_owned().map_err(|_| Error::Busy(WAIT))?;
    let reading = api.reader(&asker)?;
    let (mark, page) = (reading.mark().await?, reading.alerts(filter.clone()).await?);
    let known = page.found.iter().map(|a| (a.version.alert_id.clone(), shown(a))).collect();
    let told = VecDeque::from([event("alerts", &json!({ "alerts": page.found }))]);
    let live = Live { api: api.clone(), asker, filter, known, told, mark: Some(mark), looks: 0, over: false, _place: place };
    Ok(Sse::new(stream::unfold(live, Live::next)).keep_alive(KeepAlive::new()))
}

fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

impl Live {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Some((Ok(event), self));
            }
            if self.over {
                return None;
            }
            tokio::time::sleep(EVERY).await;
            if !self.api.status.borrow().ready() {
                return None;
            }
            match self.look().await {
                Ok(()) => {}
                // Whoever was let in is asked again each time: a token ends, a team changes.
                Err(e @ (Error::Unauthorized | Error::Forbidden { .. })) => {
                    self.told.push_back(event("end", &json!({ "message": e.to_string() })));
                    self.over = true;
                }
                Err(_) => self.mark = None,
            }
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        let reading = self.api.reader(&self.asker)?;
        let mark = reading.mark().await?;
        self.looks += 1;
        if self.mark == Some(mark) && self.looks < AT_MOST {
            return Ok(());
        }
        // A log-in that has ended shows nothing new.
        self.asker.renew(&self.api).await?;
        let reading = self.api.reader(&self.asker)?;
        let alerts = reading.again(self.filter.clone()).await?;
        (self.mark, self.looks) = (Some(mark), 0);
        let there: BTreeSet<&String> = alerts.iter().map(|a| &a.version.alert_id).collect();
        self.known.retain(|id, _| {
            let stays = there.contains(id);
            if !stays {
                self.told.push_back(event("gone", &json!({ "alert_id": id })));
            }
            stays
        });
        // The newest is told last: whoever puts each on top has them in order.
        for alert in alerts.iter().rev() {
            if self.known.insert(alert.version.alert_id.clone(), shown(alert)) != Some(shown(alert)) {
                self.told.push_back(event("alert", &json!(alert)));
            }
        }
        Ok(())
    }
}
