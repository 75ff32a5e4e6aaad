//! Tests of `schemas`.
