//! What everything that speaks to Kafka shares: how to connect, what an error means, what a topic is, a consumer on a thread.

pub mod consumer;
mod native;

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
    time::Duration,
};

pub use native::{Described, Topic};
use rdkafka::{
    ClientConfig, ClientContext,
    client::Client,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::config::Kafka;

/// How long a question to the brokers may take.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// What Filin's promises stand on and nobody else may set.
const OURS: [&str; 18] = [
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "request.required.acks",
    "retries",
    "transactional.id",
];

/// Something is wrong between Filin and the brokers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Worth trying again: brokers are away or busy.
    #[error("{0}")]
    Away(String),
    /// Trying again does not help: on-call must act.
    #[error("{0}")]
    Stop(String),
}

impl Error {
    /// What an error of librdkafka means for the one who did `what`; `because` is what its log said last.
    pub fn of(what: impl Display, error: &KafkaError, because: Option<&Context>) -> Self {
        let reason = because.and_then(Context::last).map(|r| format!(" ({r})")).unwrap_or_default();
        let text = format!("{what}: {error}{reason}");
        match error {
            KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => Self::Stop(text),
            _ if code(error).is_some_and(is_final) || because.is_some_and(Context::is_refused) => Self::Stop(text),
            _ => Self::Away(text),
        }
    }
}

/// What the brokers or librdkafka said.
fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        _ => error.rdkafka_error_code(),
    }
}

/// Whether it takes a person to make it work.
pub(crate) fn is_final(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as E;
    matches!(
        code,
        E::Authentication
            | E::ClusterAuthorizationFailed
            | E::Fatal
            | E::GroupAuthorizationFailed
            | E::InvalidConfig
            | E::InvalidPartitions
            | E::InvalidReplicationFactor
            | E::InvalidTopic
            | E::MessageSizeTooLarge
            | E::PolicyViolation
            | E::SaslAuthenticationFailed
            | E::TopicAuthorizationFailed
            | E::UnsupportedFeature
            | E::UnsupportedSASLMechanism
            | E::UnsupportedVersion
    )
}

/// The properties of a client: defaults of Filin, over them what the configuration says, over it `ours`.
///
/// # Errors
/// [`Error::Stop`] when the configuration sets a property that is Filin's own.
pub fn properties(kafka: &Kafka, defaults: &[(&str, &str)], ours: &[(&str, &str)]) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::new();
    config.set("client.id", "filin").set("log.connection.close", "false").set("socket.keepalive.enable", "true");
    for (key, value) in defaults {
        config.set(*key, *value);
    }
    for (key, value) in &kafka.librdkafka {
        if OURS.contains(&key.as_str()) {
            return Err(Error::Stop(format!("remove kafka.librdkafka.{key}: Filin sets it itself")));
        }
        config.set(key, value.expose());
    }
    config.set("bootstrap.servers", kafka.brokers.join(",")).set("allow.auto.create.topics", "false");
    for (key, value) in ours {
        debug_assert!(OURS.contains(key), "{key} is not in OURS");
        config.set(*key, *value);
    }
    config.set_log_level(RDKafkaLogLevel::Info);
    Ok(config)
}

/// Describes topics. Never makes one. Blocks, but not long.
///
/// # Errors
/// When no broker answers.
pub fn describe<C: ClientContext>(client: &Client<C>, names: &[&str]) -> Result<Vec<Described>, KafkaError> {
    native::describe(client, names, ANSWER)
}

/// Takes librdkafka's log lines and errors; remembers the last reason for what does not work.
#[derive(Debug, Default)]
pub struct Context {
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    reason: Option<String>,
    refused: bool,
}

impl Context {
    fn last(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).reason.clone()
    }

    fn is_refused(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).refused
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // `[thrd:main]: what happened`
        let message = message.split_once("]: ").map_or(message, |(_, m)| m);
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
                tracing::warn!(target: "librdkafka", facility, "{message}");
                self.trouble.lock().unwrap_or_else(PoisonError::into_inner).reason = Some(message.to_owned());
            }
            RDKafkaLogLevel::Warning => tracing::info!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", error = %error, "{reason}");
        let code = code(&error);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.refused = code.is_some_and(is_final);
        // "All brokers are down" says less than what came before it.
        if code != Some(RDKafkaErrorCode::AllBrokersDown) || trouble.reason.is_none() {
            trouble.reason = Some(reason.to_owned());
        }
    }
}
