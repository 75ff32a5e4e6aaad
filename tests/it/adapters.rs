//! Tests of `adapters`.
