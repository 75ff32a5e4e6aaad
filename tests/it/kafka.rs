//! Tests of `kafka`.
