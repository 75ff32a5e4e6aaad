//! A Kafka topic that takes OCSF Detection Findings, keyed by alert, so that one alert's versions keep their order.

use std::time::Duration;

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

use super::{Answer, IDEMPOTENCY_KEY, Notice, ocsf};
use crate::ops::{
    clock,
    config::Kafka,
    kafka::{self, Context, properties},
};

/// How long the brokers may take.
const DELIVERY_MS: &str = "10000";
const QUEUE: Duration = Duration::from_secs(5);

/// Who takes findings.
pub struct Topic {
    producer: FutureProducer<Context>,
    name: String,
}

impl Topic {
    pub(super) fn open(kafka: &Kafka, name: &str) -> Result<Self, String> {
        let ours = [("enable.idempotence", "true"), ("acks", "all"), ("message.timeout.ms", DELIVERY_MS)];
        let config = properties(kafka, &[("linger.ms", "5")], &ours).map_err(|e| e.to_string())?;
        let producer = config.create_with_context(Context::default());
        let producer = producer.map_err(|e| kafka::Error::of("the Kafka producer of alerts.topic cannot start", &e, None).to_string())?;
        Ok(Self { producer, name: name.to_owned() })
    }

    /// Sends a finding.
    pub async fn send(&self, notice: &Notice) -> Answer {
        let body = ocsf::finding(notice, clock::now()).to_string();
        let key = notice.key();
        let headers = OwnedHeaders::new().insert(Header { key: IDEMPOTENCY_KEY, value: Some(&key) });
        let record = FutureRecord::to(&self.name).key(&notice.alert.alert_id).payload(&body).headers(headers);
        match self.producer.send(record, QUEUE).await {
            Ok(_) => Answer::Taken,
            Err((e, _)) => understand(&e),
        }
    }
}

fn understand(e: &KafkaError) -> Answer {
    use RDKafkaErrorCode as E;
    match e.rdkafka_error_code() {
        Some(E::MessageSizeTooLarge) => Answer::Refused("the topic takes no message of this size".to_owned()),
        Some(E::UnknownTopic | E::UnknownTopicOrPartition | E::UnknownPartition) => Answer::Shut("there is no such topic".to_owned()),
        Some(code @ (E::TopicAuthorizationFailed | E::ClusterAuthorizationFailed | E::Authentication | E::SaslAuthenticationFailed)) => {
            Answer::Shut(format!("the brokers do not let us in: {code}"))
        }
        Some(code) => Answer::Away(format!("the brokers do not take it: {code}")),
        None => Answer::Away("the brokers do not take it".to_owned()),
    }
}
