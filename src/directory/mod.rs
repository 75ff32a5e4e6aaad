//! Who works where, whose client is whose, which orders are open: always "as of" a time.

mod rows;

pub use rows::{Client, Grade, Order, OrderState, Span, User, When};
