//! Tests of `simulate`.
