//! Filin watches what each CRM user asks for, exports and whom they call, learns what is usual for them, and tells the
//! right person, with reasons, when it is not. The modules in reading order; ARCHITECTURE.md gives the tour.

pub mod event;
pub mod adapter;
pub mod directory;
pub mod engine;
pub mod model;
pub mod simulate;
pub mod source;
pub mod log;
pub mod store;
pub mod notify;
pub mod pipeline;
pub mod api;
pub mod console;
pub mod ops;
pub mod cli;
