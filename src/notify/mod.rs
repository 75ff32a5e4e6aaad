//! Alerts reach people: what is said to whom, and how it is handed over. What is due, and what became of it, is the pipeline's
//! ([`crate::pipeline::notify`]); the outbox is the store's.

pub mod alertmanager;
mod http;
pub mod ocsf;
pub mod routes;
#[cfg(feature = "kafka")]
mod topic;
mod webhook;
pub mod who;

pub use http::Answer;
#[cfg(feature = "kafka")]
pub use topic::Topic;
pub use webhook::{IDEMPOTENCY_KEY, SIGNATURE, Webhook, signature};

pub use crate::ops::metrics::{Receiver, Told};
use crate::{
    engine::AlertVersion,
    ops::config::{Alerts, Config},
};

/// What is told of an alert version.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The version.
    pub alert: AlertVersion,
    /// Pseudonym of the manager; empty when the subject is none.
    pub manager_alias: String,
    /// Id of who has to hear of it; none: there is nobody above, it is the analysts' alone.
    pub supervisor: Option<String>,
    /// Who had to before it was escalated, oldest first: one for each time.
    pub escalated_from: Vec<Option<String>>,
    /// Display name of the manager, where messages may say names.
    pub name: Option<String>,
    /// Where to read on.
    pub link: String,
}

impl Notice {
    /// What a receiver knows it by when it comes again.
    pub fn key(&self) -> String {
        format!("{}/{}", self.alert.alert_id, self.alert.version)
    }
}

/// Where an alert is read and answered, at a console.
pub fn link(console: &str, alert_id: &str) -> String {
    format!("{console}/alerts/{alert_id}")
}

/// Those that a configuration names.
pub fn named(alerts: &Alerts) -> Vec<Receiver> {
    let has = |r: &Receiver| match r {
        Receiver::Alertmanager => !alerts.alertmanager.is_empty(),
        Receiver::Webhook => alerts.webhook.is_some(),
        Receiver::Topic => alerts.topic.is_some(),
    };
    Receiver::ALL.iter().copied().filter(has).collect()
}

/// All that can be told, ready to be told.
pub enum Line {
    /// Alertmanagers.
    Alertmanager(alertmanager::Alertmanager),
    /// A webhook.
    Webhook(Webhook),
    /// A topic.
    #[cfg(feature = "kafka")]
    Topic(Topic),
}

impl Line {
    /// Opens those that a configuration names. Nobody is called yet.
    ///
    /// # Errors
    /// When an address or the system's certificates cannot be used.
    pub fn open(config: &Config) -> Result<Vec<Self>, String> {
        let mut lines = Vec::new();
        if !config.alerts.alertmanager.is_empty() {
            lines.push(Self::Alertmanager(alertmanager::Alertmanager::open(&config.alerts.alertmanager)?));
        }
        if let Some(webhook) = &config.alerts.webhook {
            lines.push(Self::Webhook(Webhook::open(webhook)?));
        }
        #[cfg(feature = "kafka")]
        if let (Some(topic), Some(kafka)) = (&config.alerts.topic, &config.kafka) {
            lines.push(Self::Topic(Topic::open(kafka, topic)?));
        }
        Ok(lines)
    }

    /// Which it is.
    pub fn receiver(&self) -> Receiver {
        match self {
            Self::Alertmanager(_) => Receiver::Alertmanager,
            Self::Webhook(_) => Receiver::Webhook,
            #[cfg(feature = "kafka")]
            Self::Topic(_) => Receiver::Topic,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
