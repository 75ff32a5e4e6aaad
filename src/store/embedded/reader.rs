//! What a reader may ask. `readonly=1` is not enough: under it files can be written (`INTO OUTFILE`) and read (`file()`), other
//! machines called (`DESCRIBE url(…)`) and queries killed. So a statement is looked at three times: its tokens here, its class by
//! the engine's parser, and the tables and functions that it resolves to, by `EXPLAIN QUERY TREE`.

use std::collections::BTreeSet;

use super::{
    connection::{Connection, Exception, Parameters},
    lex::{Kind, Token},
    statement::{Statement, Verb},
};

/// What the engine has, as far as readers are concerned.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Names of table functions, in lower case.
    pub(super) table_functions: BTreeSet<String>,
}

/// Refuses what a reader may not ask.
pub(super) fn check(_c: &mut Connection, _s: &Statement<'_>, _p: &Parameters, _k: &Known) -> Result<(), Exception> {
    let _ = (Verb::Select, Kind::Word, std::mem::size_of::<Token>());
    Err(Exception::new(164, "READONLY", "not yet"))
}
