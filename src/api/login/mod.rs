//! Log-in of people: password and second factor, log-ins that end, links by which both are set. Who somebody is and what they may says
//! `[[access]]`; here they prove that it is them.

mod book;
pub(crate) mod password;
#[cfg(test)]
mod tests;
mod throttle;
pub(crate) mod totp;
mod way;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

pub(crate) use book::Book;
pub(crate) use way::Way;

use self::{password::Weak, throttle::Throttle};
use super::gate::{Door, Look, Seen, Witness};
use crate::{
    event::Timestamp,
    ops::{
        clock,
        config::{Account, Duty, Login as Rules, Secret},
        metrics::{LoggedIn, Metrics},
        random,
    },
    store::{
        self,
        login::{Credential, Keys, SessionRow},
    },
};

/// A log-in is written down as seen again after so long.
const SEEN: Duration = Duration::from_secs(60);
/// How long a link opens where nobody said otherwise.
pub(crate) const INVITE: Duration = Duration::from_secs(86_400);
/// Hashes of passwords made at the same time: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;
/// How long a try waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// Who fails and is nobody: what was typed as a name may have been a password.
const NOBODY: &str = "(unknown)";

/// A log-in that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The hash of its id: the id itself is the browser's.
    pub(crate) id_sha256: String,
    /// Whose it is.
    pub(crate) name: String,
}

/// What somebody types to be let in.
pub(crate) struct Typed<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    pub(crate) code: &'a str,
    /// Where they are.
    pub(crate) from: Option<IpAddr>,
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Shut {
    /// Too many tries: so long nothing is looked at.
    #[error("wait {0:?}")]
    Wait(Duration),
    /// Name, password or code are wrong; which, nobody is told.
    #[error("wrong")]
    Wrong,
    /// The link opens nothing (any more).
    #[error("the link opens nothing")]
    Link,
    /// The password cannot be one.
    #[error("the password is weak")]
    Weak(Weak),
    /// The store or the system's random numbers are away.
    #[error("{0}")]
    Away(String),
}

impl From<store::Error> for Shut {
    fn from(e: store::Error) -> Self {
        Self::Away(e.to_string())
    }
}

impl From<std::io::Error> for Shut {
    fn from(e: std::io::Error) -> Self {
        Self::Away(e.to_string())
    }
}

/// A link by which somebody sets password and second factor, once.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Invite {
    /// Whom it lets in.
    pub name: String,
    /// The link.
    pub url: String,
    /// It opens nothing from then on.
    pub expires: Timestamp,
}

/// What a link shows to whom it invites.
pub(crate) struct Invited {
    pub(crate) name: String,
    /// The secret of the second factor.
    pub(crate) secret: [u8; 20],
}

/// All that log-in needs.
pub struct Login {
    accounts: Vec<Account>,
    rules: Rules,
    book: Arc<dyn Book>,
    keys: Keys,
    witness: Option<Arc<dyn Witness>>,
    metrics: Metrics,
    /// Where links lead, without a slash at the end.
    place: String,
    /// Whoever shows it may make links.
    pub(super) password: Secret,
    /// A hash of nothing that anybody typed: names that there are not cost the same work.
    dummy: String,
    turns: Semaphore,
    throttle: Mutex<Throttle>,
}

/// What log-in is made of.
pub struct Parts {
    /// Who there is.
    pub accounts: Vec<Account>,
    /// When log-ins end.
    pub rules: Rules,
    /// Where all is kept.
    pub book: Arc<dyn Book>,
    /// Secrets.
    pub keys: Keys,
    /// Writes down who came in.
    pub witness: Option<Arc<dyn Witness>>,
    /// Counts.
    pub metrics: Metrics,
    /// Where links lead, without a slash at the end.
    pub place: String,
    /// Of the store's account that writes: whoever shows it may make links.
    pub password: Secret,
}

/// What a log-in holds for: with other rights it has ended.
fn stamp(account: &Account, generation: u64) -> String {
    let of = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), |t| format!("+{t}"));
    Account::hash_of([account.role.as_str(), &of(&account.tenant), &of(&account.user), &generation.to_string()].join("\0").as_bytes())
}

impl Login {
    /// # Errors
    /// When the system has no random bytes.
    pub fn new(parts: Parts) -> std::io::Result<Self> {
        let Parts { accounts, rules, book, keys, witness, metrics, place, password } = parts;
        let dummy = self::password::hash(&random::token()?)?;
        let (turns, throttle) = (Semaphore::new(AT_ONCE), Mutex::new(Throttle::default()));
        Ok(Self { accounts, rules, book, keys, witness, metrics, place, password, dummy, turns, throttle })
    }

    fn account(&self, name: &str, now: Timestamp) -> Option<&Account> {
        Account::valid(&self.accounts, name, now)
    }

    /// Whose log-in a cookie stands for, where it holds still; `at_work`: somebody looks, so that it is not idle.
    ///
    /// # Errors
    /// When the store is away.
    pub(super) async fn session(&self, id: &str, now: Timestamp, at_work: bool) -> Result<Option<Session>, store::Error> {
        let id_sha256 = Account::hash_of(id.as_bytes());
        let Some(row) = self.book.session(&id_sha256).await? else { return Ok(None) };
        let idle = now.millis() - row.seen;
        if row.ended > 0 || now.millis() >= row.expires || idle >= clock::millis(self.rules.idle) {
            return Ok(None);
        }
        let Some(account) = self.account(&row.name, now) else { return Ok(None) };
        let generation = self.book.credential(&row.name).await?.map(|c| c.generation);
        if generation.is_none_or(|generation| stamp(account, generation) != row.stamp) {
            return Ok(None);
        }
        if at_work && idle >= clock::millis(SEEN) {
            self.book.save(&SessionRow { seen: now.millis(), ..row }).await?;
        }
        Ok(Some(Session { id_sha256, name: account.name.clone() }))
    }

    /// Lets somebody in: gives the id of a new log-in.
    pub(crate) async fn enter(&self, typed: &Typed<'_>, now: Timestamp) -> Result<String, Shut> {
        let (account, credential) = self.proved(typed, now).await?;
        self.open(account, credential.generation, typed.from, now).await
    }

    /// Gives somebody who is logged in, and proves once more that it is them, another password. All log-ins end but the new one.
    pub(crate) async fn change(&self, typed: &Typed<'_>, new: &str, now: Timestamp) -> Result<String, Shut> {
        password::check(new, typed.name).map_err(Shut::Weak)?;
        let (account, old) = self.proved(typed, now).await?;
        let hash = self.hash(new).await?;
        let credential = Credential { password: hash, ..anew(changed(old, &account.name, &account.name, now)) };
        self.book.keep(&credential).await?;
        self.saw(&account.name, Door::Changed { from: typed.from }, now);
        self.open(account, credential.generation, typed.from, now).await
    }

    /// Who it is, by password and code. Whatever is wrong, the work and the answer are the same.
    async fn proved(&self, typed: &Typed<'_>, now: Timestamp) -> Result<(&Account, Credential), Shut> {
        let Typed { name, password, code, from } = *typed;
        self.attempt(name, from, now)?;
        let account = self.account(name, now);
        let known = self.book.credential(name).await?.filter(|c| account.is_some() && !c.password.is_empty());
        let hash = known.as_ref().map_or_else(|| self.dummy.clone(), |c| c.password.clone());
        let password = password.to_owned();
        let right = self.work(move || password::is(&password, &hash)).await?;
        let secret = known.as_ref().and_then(|c| self.keys.open(name, &c.totp));
        let step = totp::accepts(secret.as_deref().unwrap_or(&[0; 20]), code, now).filter(|_| secret.is_some());
        let wrong = |by: &str| {
            self.metrics.logged_in(LoggedIn::Refused);
            self.saw(by, Door::LogIn { from, ok: false }, now);
            Err(Shut::Wrong)
        };
        let (Some(account), Some(credential), true, Some(step)) = (account, known, right, step) else {
            return wrong(account.map_or(NOBODY, |a| a.name.as_str()));
        };
        if !self.book.claim(&format!("code/{name}/{step}"), &random::token()?, now.millis()).await? {
            // Whoever read it over a shoulder, or on its way.
            return wrong(&account.name);
        }
        self.right(name, from);
        Ok((account, credential))
    }

    /// A new log-in with a new id.
    async fn open(&self, account: &Account, generation: u64, from: Option<IpAddr>, now: Timestamp) -> Result<String, Shut> {
        let id = random::token()?;
        let (started, expires) = (now.millis(), now.plus(clock::millis(self.rules.longest)).millis());
        let (id_sha256, stamp) = (Account::hash_of(id.as_bytes()), stamp(account, generation));
        let row = SessionRow { id_sha256, name: account.name.clone(), stamp, started, expires, seen: started, ended: 0 };
        self.book.save(&row).await?;
        self.metrics.logged_in(LoggedIn::Ok);
        self.saw(&account.name, Door::LogIn { from, ok: true }, now);
        Ok(id)
    }

    /// Ends a log-in.
    pub(crate) async fn leave(&self, session: &Session, now: Timestamp) -> Result<(), Shut> {
        if let Some(row) = self.book.session(&session.id_sha256).await? {
            self.book.save(&SessionRow { ended: 1, ..row }).await?;
            self.saw(&session.name, Door::LogOut, now);
        }
        Ok(())
    }

    /// Makes a link; one that there was opens nothing any more. What somebody has goes on until the link is used.
    pub(super) async fn invite(&self, name: &str, by: &str, span: Duration, now: Timestamp) -> Result<Option<Invite>, Shut> {
        let Some(account) = self.account(name, now) else { return Ok(None) };
        let (link, expires) = (random::token()?, now.plus(clock::millis(span)));
        let old = self.book.credential(name).await?.unwrap_or_default();
        let credential = Credential {
            invite_sha256: Account::hash_of(link.as_bytes()),
            invite_expires: expires.millis(),
            ..changed(old, name, by, now)
        };
        self.book.keep(&credential).await?;
        self.saw(by, Door::Invited(account.name.clone()), now);
        Ok(Some(Invite { name: account.name.clone(), url: format!("{}/enrol?link={link}", self.place), expires }))
    }

    /// Takes password and second factor away and ends all log-ins; false: there was nothing to take.
    pub(super) async fn revoke(&self, name: &str, by: &str, now: Timestamp) -> Result<bool, Shut> {
        let Some(old) = self.book.credential(name).await? else { return Ok(false) };
        let (password, totp) = (String::new(), String::new());
        self.book.keep(&Credential { password, totp, ..anew(changed(old, name, by, now)) }).await?;
        self.saw(by, Door::Revoked(name.to_owned()), now);
        Ok(true)
    }

    /// A link for the first admin, or whoever there is, while nobody can log in.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn first(&self, now: Timestamp) -> Result<Option<Invite>, store::Error> {
        if self.book.credentials().await?.iter().any(|c| !c.password.is_empty() && self.account(&c.name, now).is_some()) {
            return Ok(None);
        }
        let there = || self.accounts.iter().filter(|a| a.is_valid(now));
        let Some(account) = there().find(|a| a.role == Duty::Admin).or_else(|| there().next()) else { return Ok(None) };
        let invite = self.invite(&account.name, "filin", INVITE, now).await;
        invite.map_err(|e| store::Error::Away(e.to_string()))
    }

    /// Whom a link invites.
    pub(crate) async fn invited(&self, link: &str, now: Timestamp) -> Result<Invited, Shut> {
        let credential = self.book.invited(&Account::hash_of(link.as_bytes())).await?.filter(|c| now.millis() < c.invite_expires);
        let name = credential.filter(|c| self.account(&c.name, now).is_some()).ok_or(Shut::Link)?.name;
        Ok(Invited { name, secret: self.keys.factor(link) })
    }

    /// Sets password and second factor by a link, and lets in. What was there before has ended.
    pub(crate) async fn enrol(&self, link: &str, typed: &Typed<'_>, now: Timestamp) -> Result<String, Shut> {
        let Invited { name, secret } = self.invited(link, now).await?;
        password::check(typed.password, &name).map_err(Shut::Weak)?;
        self.attempt(&name, typed.from, now)?;
        let step = totp::accepts(&secret, typed.code, now).ok_or(Shut::Wrong)?;
        let hash = self.hash(typed.password).await?;
        let mine = random::token()?;
        if !self.book.claim(&format!("link/{}", Account::hash_of(link.as_bytes())), &mine, now.millis()).await? {
            return Err(Shut::Link);
        }
        self.book.claim(&format!("code/{name}/{step}"), &mine, now.millis()).await?;
        let account = self.account(&name, now).ok_or(Shut::Link)?;
        let changed = changed(self.book.credential(&name).await?.unwrap_or_default(), &name, &name, now);
        let credential = Credential { password: hash, totp: self.keys.seal(&name, &secret)?, ..anew(changed) };
        self.book.keep(&credential).await?;
        self.saw(&name, Door::Enrolled { from: typed.from }, now);
        self.right(&name, typed.from);
        self.open(account, credential.generation, typed.from, now).await
    }

    fn attempt(&self, name: &str, from: Option<IpAddr>, now: Timestamp) -> Result<(), Shut> {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.attempt(name, from, now).map_err(|wait| {
            self.metrics.logged_in(LoggedIn::Throttled);
            Shut::Wait(wait)
        })
    }

    fn right(&self, name: &str, from: Option<IpAddr>) {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner).right(name, from);
    }

    async fn hash(&self, password: &str) -> Result<String, Shut> {
        let password = password.to_owned();
        Ok(self.work(move || password::hash(&password)).await??)
    }

    /// Does what takes a core, a few at a time.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Shut> {
        let turn = tokio::time::timeout(TURN, self.turns.acquire()).await.map_err(|_| Shut::Wait(TURN))?;
        let _turn = turn.map_err(|e| Shut::Away(e.to_string()))?;
        tokio::task::spawn_blocking(work).await.map_err(|e| Shut::Away(e.to_string()))
    }

    fn saw(&self, by: &str, door: Door, now: Timestamp) {
        let Some(witness) = &self.witness else { return };
        let account = self.accounts.iter().find(|a| a.name == by);
        let (role, tenant) = account.map_or((Duty::Admin, None), |a| (a.role, a.tenant.clone()));
        witness.saw(Look { at: now, by: by.to_owned(), role, tenant, at_what: Seen::Door(door), records: 0 });
    }
}

/// A credential as somebody is about to change it. Its revision is greater than that of before, whatever clocks say.
fn changed(old: Credential, name: &str, by: &str, now: Timestamp) -> Credential {
    let revision = u64::try_from(now.millis()).unwrap_or_default().max(old.revision + 1);
    Credential { name: name.to_owned(), revision, at: now.millis(), by: by.to_owned(), ..old }
}

/// The same where whatever there was ends with the change: log-ins of the generation before, and a link.
fn anew(changed: Credential) -> Credential {
    Credential { generation: changed.revision, invite_sha256: String::new(), invite_expires: 0, ..changed }
}
