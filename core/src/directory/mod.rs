//! Who works where, whose client is whose, which orders are open: always "as of" a time.

mod calendar;
mod conflict;
mod enrich;
pub mod load;
mod osm;
mod rows;
pub mod schedule;
mod table;
mod tenant;
mod zone;

pub use calendar::{Calendar, DayKind};
pub use conflict::{Conflict, ConflictKind};
pub use enrich::enrich;
pub use enrich::zone_of;
pub use load::{Complaint, Reference};
pub use rows::{Client, Grade, Order, OrderState, Span, User, When};
pub use table::{Row, Table};
pub use tenant::Directory;
pub use zone::Zone;

/// What the directory cannot take.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tz database does not know the name.
    #[error("there is no time zone {0:?}; give an IANA name such as Europe/Moscow")]
    Zone(String),
    /// A file of reference data cannot be read at all.
    #[error("cannot read {file}")]
    Read {
        /// As the user named it.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A production calendar is not written as one.
    #[error("{file}: {}", .reasons.join("; "))]
    Calendar {
        /// As the user named it.
        file: String,
        /// All that is wrong, each with its line.
        reasons: Vec<String>,
    },
    /// The header of a CSV file is of no use.
    #[error("{file}: {reason}")]
    Header {
        /// As the user named it.
        file: String,
        /// Why, and what to do.
        reason: String,
    },
}
