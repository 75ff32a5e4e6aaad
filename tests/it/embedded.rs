//! The embedded ClickHouse, as its clients see it: `filin clickhouse` is started as a process of its own and asked over HTTP.

#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "a test says by a panic that something is wrong")]

mod bodies;
mod client;
mod http;
mod life;
mod limits;
mod native;
mod reader;
pub(crate) mod server;
