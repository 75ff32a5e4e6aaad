//! Where credentials and log-ins are kept: in the store, so that all instances know the same.

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    api::Stored,
    store::{
        Error,
        login::{self, Credential, SessionRow},
    },
};

/// Keeps them.
pub trait Book: Send + Sync + 'static {
    /// How somebody proves who they are.
    fn credential<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Credential>, Error>>;
    /// How everybody does who was ever invited.
    fn credentials(&self) -> BoxFuture<'_, Result<Vec<Credential>, Error>>;
    /// Whom a link invites, by the link's hash.
    fn invited<'a>(&'a self, invite_sha256: &'a str) -> BoxFuture<'a, Result<Option<Credential>, Error>>;
    /// Writes a credential down.
    fn keep<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<(), Error>>;
    /// What is known of a log-in, by its id's hash.
    fn session<'a>(&'a self, id_sha256: &'a str) -> BoxFuture<'a, Result<Option<SessionRow>, Error>>;
    /// Writes down that one began, goes on or has ended.
    fn save<'a>(&'a self, row: &'a SessionRow) -> BoxFuture<'a, Result<(), Error>>;
    /// Takes what is there once, for whoever has this id; false: somebody has it.
    fn claim<'a>(&'a self, what: &'a str, id: &'a str, at: i64) -> BoxFuture<'a, Result<bool, Error>>;
}

impl Book for Stored {
    fn credential<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Credential>, Error>> {
        login::credential(self.client(), name).boxed()
    }

    fn credentials(&self) -> BoxFuture<'_, Result<Vec<Credential>, Error>> {
        login::credentials(self.client()).boxed()
    }

    fn invited<'a>(&'a self, invite_sha256: &'a str) -> BoxFuture<'a, Result<Option<Credential>, Error>> {
        login::invited(self.client(), invite_sha256).boxed()
    }

    fn keep<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<(), Error>> {
        login::keep(self.client(), credential).boxed()
    }

    fn session<'a>(&'a self, id_sha256: &'a str) -> BoxFuture<'a, Result<Option<SessionRow>, Error>> {
        login::session(self.client(), id_sha256).boxed()
    }

    fn save<'a>(&'a self, row: &'a SessionRow) -> BoxFuture<'a, Result<(), Error>> {
        login::save_session(self.client(), row).boxed()
    }

    fn claim<'a>(&'a self, what: &'a str, id: &'a str, at: i64) -> BoxFuture<'a, Result<bool, Error>> {
        login::claim(self.client(), what, id, at).boxed()
    }
}
