//! Integration tests: one binary, a module per area.

mod access;
mod adapters;
mod answers;
mod api;
mod backup;
mod canaries;
mod checkpoints;
mod coverage;
mod dashboards;
mod dead_letters;
mod digest;
mod embedded;
mod incident;
mod integrity;
mod kafka;
mod layers;
mod notify;
mod orders;
mod pipeline;
mod ranker;
mod readme;
mod reference;
mod schemas;
mod service;
mod simulate;
mod transports;
