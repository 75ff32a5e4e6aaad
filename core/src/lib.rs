//! What Filin exists for, without a clock, a network or a runtime: events, the formats that they come in, who is who, the engine that
//! scores, what is learned beside it, and made-up companies to try it on. The modules in reading order; ARCHITECTURE.md gives the tour.

pub mod event;
pub mod adapter;
pub mod directory;
pub mod engine;
pub mod model;
pub mod simulate;
