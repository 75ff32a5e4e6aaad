//! The log's two ends for simulations: whoever holds the other ends plays the brokers.

use tokio::sync::mpsc;

use super::{Delivery, Entry, Error};

/// Gives lines away and says at once that they are durable.
pub(crate) type Appender = mpsc::UnboundedSender<Vec<Entry>>;

/// What a reader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Delivery of a partition behind an offset.
    Resume(u32, Option<u64>),
    /// Everything of a partition up to an offset is done with.
    Commit(u32, u64),
}

/// Reads what it is given.
pub struct Reader {
    pub(crate) deliveries: mpsc::UnboundedReceiver<Delivery>,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
}

impl Reader {
    pub(super) async fn next(&mut self) -> Result<Delivery, Error> {
        self.deliveries.recv().await.ok_or_else(|| Error::Stop("the simulation ended".to_owned()))
    }

    pub(super) fn order(&self, order: Order) {
        // A simulation that is over does not listen.
        self.orders.send(order).ok();
    }
}
