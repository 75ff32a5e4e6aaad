//! Filin watches what each CRM user asks for, exports and whom they call, learns what is usual for them, and tells the
//! right person, with reasons, when it is not. The modules in reading order; ARCHITECTURE.md gives the tour.

pub use filin_core::{adapter, directory, engine, event, model, simulate};

pub mod source;
pub mod log;
pub mod store;
pub mod notify;
pub mod pipeline;
pub mod api;
pub mod console;
pub mod ops;
pub mod cli;
