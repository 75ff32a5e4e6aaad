//! Who asks, and what they may.

use crate::ops::config::{Account, Duty, Secret};

use super::{Error, Status};

/// What is not everybody's who may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// To acknowledge, close, comment, reopen.
    Answer,
    /// To be quiet about something.
    Mute,
    /// What concerns the whole installation: dead letters, the policy.
    Operate,
    /// To read what holds for a whole organisation: its mutes, its policy, what is blind.
    Oversee,
    /// To ask who is behind a pseudonym, under one's own name.
    Reveal,
    /// To read who saw whom, and to be the other pair of eyes.
    Allow,
    /// To make links by which people set passwords: no role comes with it, or an admin could come in as somebody else.
    Vouch,
}

/// Whether a role comes with a right.
const fn comes_with(role: Duty, right: Right) -> bool {
    match role {
        Duty::Admin => !matches!(right, Right::Vouch),
        Duty::Analyst => matches!(right, Right::Answer | Right::Mute | Right::Oversee | Right::Reveal | Right::Allow),
        Duty::Supervisor => matches!(right, Right::Answer),
        Duty::Auditor => matches!(right, Right::Oversee | Right::Allow),
    }
}

/// By what somebody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// An entry of `[[access]]`, by its token.
    Account,
    /// The same, by password and second factor.
    LogIn,
    /// The same, by what the proxy says.
    Proxy,
    /// `http.reader_token`, which any number of people may have.
    ReaderToken,
    /// The password of the store's account that writes.
    Store,
    /// Nothing: a listener on loopback that asks for no token.
    Nothing,
}

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    by: By,
    /// Their name; none: as they say themselves.
    pub(crate) name: Option<String>,
    /// What they may do.
    pub(crate) role: Duty,
    /// The only organisation they see.
    pub(super) tenant: Option<String>,
    /// Their id among the users.
    pub(super) user: Option<String>,
    /// Their log-in: the hash of its id.
    session: Option<String>,
    /// What a form carries that was made for them.
    pub(crate) form: String,
}

impl Who {
    pub(super) fn account(account: &Account) -> Self {
        let Account { name, role, tenant, user, .. } = account.clone();
        Self { by: By::Account, name: Some(name), role, tenant, user, session: None, form: String::new() }
    }

    pub(super) fn proxied(account: &Account) -> Self {
        Self { by: By::Proxy, ..Self::account(account) }
    }

    pub(super) fn logged_in(account: &Account, session: &str) -> Self {
        Self { by: By::LogIn, session: Some(session.to_owned()), ..Self::account(account) }
    }

    const fn nameless(by: By, role: Duty) -> Self {
        Self { by, name: None, role, tenant: None, user: None, session: None, form: String::new() }
    }

    pub(super) const fn reader_token() -> Self {
        Self::nameless(By::ReaderToken, Duty::Analyst)
    }

    pub(super) const fn store() -> Self {
        Self::nameless(By::Store, Duty::Admin)
    }

    pub(super) const fn nobody_in_particular() -> Self {
        Self::nameless(By::Nothing, Duty::Admin)
    }

    /// For whom a form is made: it is of one log-in, or else of one person.
    pub(super) fn of_form(&self) -> String {
        match (&self.session, &self.name) {
            (Some(session), _) => format!("log-in {session}"),
            (None, Some(name)) => format!("name {name}"),
            (None, None) => format!("nameless {:?}", self.by),
        }
    }

    /// Whether a form was made for them; one that was not is another site's, or of a log-in that has ended.
    pub(crate) fn made(&self, form: &str) -> Result<(), Error> {
        if !self.form.is_empty() && Secret::new(self.form.as_str()).is(form.as_bytes()) {
            return Ok(());
        }
        let message = "this form was made for another log-in: open the page again and answer there".to_owned();
        Err(Error::Forbidden { code: "foreign_form", message })
    }

    /// Whether they can log out.
    pub(crate) const fn is_logged_in(&self) -> bool {
        self.session.is_some()
    }

    /// Whether they may do more than read.
    pub(crate) const fn may(&self, right: Right) -> bool {
        comes_with(self.role, right)
    }

    /// The same, for a route.
    pub(crate) fn must(&self, right: Right) -> Result<(), Error> {
        let refuse = |message: String| Err(Error::Forbidden { code: "role", message });
        match right {
            // Reaching the listener is not enough: that never was more than reading and answering.
            Right::Mute | Right::Operate | Right::Reveal | Right::Allow | Right::Vouch if self.by == By::Nothing => {
                Err(Error::Unauthorized)
            }
            _ if !self.may(right) => refuse(format!("the role {} does not come with this", self.role.as_str())),
            // What is written down says who it was.
            Right::Reveal | Right::Allow if self.name.is_none() => {
                refuse("this needs a token or a log-in of your own: http.reader_token is nobody's".to_owned())
            }
            Right::Operate if self.tenant.is_some() => refuse("this concerns all organisations: your token is one's".to_owned()),
            _ => Ok(()),
        }
    }

    /// The name under which something is done. Whoever is known by their token cannot do it under another one.
    pub(super) fn signs(&self, said: Option<&str>) -> Result<String, Error> {
        let said = said.map(str::trim).filter(|said| !said.is_empty());
        match (&self.name, said) {
            (Some(name), Some(said)) if said != name && self.user.as_deref() != Some(said) => Err(Error::Forbidden {
                code: "other_name",
                message: format!("this token is of {name:?}: leave `by` out, nobody signs for somebody else"),
            }),
            (Some(name), _) => Ok(name.clone()),
            (None, said) => Ok(said.unwrap_or(self.role.as_str()).to_owned()),
        }
    }

    /// As whom what they read is written down; none: nobody knows who it is.
    pub(super) fn watched(&self) -> Option<&str> {
        match self.by {
            By::Account | By::LogIn | By::Proxy => self.name.as_deref(),
            By::ReaderToken => Some("http.reader_token"),
            By::Store | By::Nothing => None,
        }
    }

    /// What they may know of the service: of other organisations nothing, and of sources only those who see all.
    pub(crate) fn sees(&self, status: &Status) -> Status {
        let mut status = status.clone();
        if let Some(tenant) = &self.tenant {
            status.tenants.retain(|t| t.tenant == *tenant);
            status.sources.clear();
        }
        status
    }
}
