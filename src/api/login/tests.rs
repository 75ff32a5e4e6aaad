use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::future::{BoxFuture, FutureExt as _};

use super::*;
use crate::{
    api::{
        Access,
        tests::{Answer, Bench, forms, with_door},
    },
    ops::config::Proxy,
};

/// A store in memory.
#[derive(Default)]
struct Memory {
    credentials: Mutex<BTreeMap<String, Credential>>,
    sessions: Mutex<Vec<SessionRow>>,
    claims: Mutex<Vec<(String, String)>>,
    asked: AtomicUsize,
}

impl Book for Memory {
    fn credential<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Credential>, store::Error>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = self.credentials.lock().unwrap().get(name).cloned();
        async { Ok(found) }.boxed()
    }

    fn credentials(&self) -> BoxFuture<'_, Result<Vec<Credential>, store::Error>> {
        let all = self.credentials.lock().unwrap().values().cloned().collect();
        async { Ok(all) }.boxed()
    }

    fn invited<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Option<Credential>, store::Error>> {
        let found = self.credentials.lock().unwrap().values().find(|c| !hash.is_empty() && c.invite_sha256 == hash).cloned();
        async { Ok(found) }.boxed()
    }

    fn keep<'a>(&'a self, credential: &'a Credential) -> BoxFuture<'a, Result<(), store::Error>> {
        let old = self.credentials.lock().unwrap().insert(credential.name.clone(), credential.clone());
        assert!(old.is_none_or(|old| old.revision < credential.revision), "a greater revision holds");
        async { Ok(()) }.boxed()
    }

    fn session<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<SessionRow>, store::Error>> {
        let rows = self.sessions.lock().unwrap();
        let rows = rows.iter().filter(|row| row.id_sha256 == id);
        let found = rows.cloned().reduce(|a, b| SessionRow { seen: a.seen.max(b.seen), ended: a.ended.max(b.ended), ..a });
        async { Ok(found) }.boxed()
    }

    fn save<'a>(&'a self, row: &'a SessionRow) -> BoxFuture<'a, Result<(), store::Error>> {
        self.sessions.lock().unwrap().push(row.clone());
        async { Ok(()) }.boxed()
    }

    fn claim<'a>(&'a self, what: &'a str, id: &'a str, _: i64) -> BoxFuture<'a, Result<bool, store::Error>> {
        let mut claims = self.claims.lock().unwrap();
        claims.push((what.to_owned(), id.to_owned()));
        let alone = claims.iter().filter(|(of, _)| of == what).all(|(_, who)| who == id);
        async move { Ok(alone) }.boxed()
    }
}

#[derive(Default)]
struct Diary(Mutex<Vec<(String, Seen)>>);

impl Witness for Diary {
    fn saw(&self, look: Look) {
        self.0.lock().unwrap().push((look.by, look.at_what));
    }
}

fn account(name: &str, role: Duty) -> Account {
    Account { name: name.to_owned(), role, tenant: None, user: None, token_sha256: Vec::new(), expires: None }
}

fn accounts() -> Vec<Account> {
    vec![account("vera", Duty::Analyst), account("ada", Duty::Admin), account("Анна \"<b>\"", Duty::Auditor)]
}

/// A door, what is behind it, and what it wrote down.
struct House {
    bench: Bench,
    login: Arc<Login>,
    memory: Arc<Memory>,
    diary: Arc<Diary>,
}

const PASSWORD: &str = "a river in spring";

fn door(accounts: Vec<Account>, memory: &Arc<Memory>, diary: &Arc<Diary>, metrics: Metrics) -> Arc<Login> {
    let parts = Parts {
        accounts,
        rules: Rules { idle: Duration::from_secs(1800), longest: Duration::from_secs(43_200) },
        book: Arc::<Memory>::clone(memory),
        keys: forms(),
        witness: Some(Arc::<Diary>::clone(diary)),
        metrics,
        place: "https://filin.example".to_owned(),
        password: Secret::new("store"),
    };
    Arc::new(Login::new(parts).unwrap())
}

fn house_with(access: Access) -> House {
    let (memory, diary, mut login) = (Arc::new(Memory::default()), Arc::new(Diary::default()), None);
    let access = Access { accounts: accounts(), ..access };
    let bench = with_door(access, |metrics| {
        login = Some(door(accounts(), &memory, &diary, metrics));
        login.clone()
    });
    House { bench, login: login.unwrap(), memory, diary }
}

fn house() -> House {
    house_with(Access { loopback: true, ..Access::default() })
}

/// The value of a hidden field.
fn hidden(html: &str, name: &str) -> String {
    let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name} in {html}"));
    rest.split('"').next().unwrap().to_owned()
}

/// What an answer sets, as a browser sends it back.
fn cookies(answer: &Answer) -> String {
    let all = answer.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap().split(';').next().unwrap().to_owned());
    all.collect::<Vec<_>>().join("; ")
}

fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn code_at(name: &str, house: &House, at: Timestamp) -> String {
    let credential = house.memory.credentials.lock().unwrap()[name].clone();
    totp::code(&forms().open(name, &credential.totp).unwrap(), at)
}

/// The code behind that of now, which is not used up yet.
fn next_code(name: &str, house: &House) -> String {
    code_at(name, house, clock::now().plus(30_000))
}

impl House {
    async fn form(&self, path: &str, headers: &[(&str, &str)]) -> (String, String, String) {
        let page = self.bench.get(path, headers).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        (hidden(page.text(), "form"), cookies(&page), page.text().to_owned())
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        self.bench.ask("POST", path, &[&[FORM], headers].concat(), encoded(fields)).await
    }

    /// Invites somebody, who sets password and factor; gives the cookie of the log-in.
    async fn enrol(&self, name: &str, headers: &[(&str, &str)]) -> String {
        let invite = self.login.invite(name, "me", INVITE, clock::now()).await.unwrap().expect("somebody");
        let path = invite.url.strip_prefix("https://filin.example").unwrap();
        let (form, cookie, html) = self.form(path, headers).await;
        let link = hidden(&html, "link");
        let secret = self.login.invited(&link, clock::now()).await.unwrap().secret;
        let code = totp::code(&secret, clock::now());
        let fields = [("form", &*form), ("link", &link), ("password", PASSWORD), ("again", PASSWORD), ("code", &code)];
        let done = self.post("/enrol", &[headers, &[("cookie", &cookie)]].concat(), &fields).await;
        assert_eq!(done.status, 303, "{}", done.text());
        cookies(&done)
    }

    /// Tries to log in with a form of its own.
    async fn enter(&self, name: &str, password: &str, code: &str, headers: &[(&str, &str)]) -> Answer {
        let (form, cookie, _) = self.form("/login", headers).await;
        let own = headers.iter().find(|(key, _)| *key == "cookie").map_or(String::new(), |(_, own)| format!("{own}; "));
        let others: Vec<_> = headers.iter().filter(|(key, _)| *key != "cookie").copied().collect();
        let cookie = format!("{own}{cookie}");
        let fields = [("form", &*form), ("name", name), ("password", password), ("code", code), ("next", "/?state=open")];
        self.post("/login", &[&others[..], &[("cookie", &cookie)]].concat(), &fields).await
    }
}

#[tokio::test]
async fn a_link_opens_once_and_sets_both_factors() {
    let house = house();
    let invite = house.login.first(clock::now()).await.unwrap().expect("nobody can log in");
    assert_eq!(invite.name, "ada", "an admin first");
    let path = invite.url.strip_prefix("https://filin.example").unwrap();
    let (form, cookie, html) = house.form(path, &[]).await;
    let link = hidden(&html, "link");
    let secret = house.login.invited(&link, clock::now()).await.unwrap().secret;
    assert!(html.contains(&totp::spelled(&secret)) && html.contains("otpauth://totp/Filin:ada?secret=") && html.contains("<svg"), "{html}");
    let (_, _, again) = house.form(path, &[]).await;
    assert!(again.contains(&totp::spelled(&secret)), "a page that is loaded again shows the same");
    let code = totp::code(&secret, clock::now());
    let take = async |password: &str, again: &str, code: &str| {
        let fields = [("form", &*form), ("link", &link), ("password", password), ("again", again), ("code", code), ("lang", "en")];
        house.post("/enrol", &[("cookie", &cookie)], &fields).await
    };
    for (password, again, code, status, said) in [
        ("short", "short", &*code, 400, "too short"),
        (PASSWORD, "another one here", &code, 400, "not the same"),
        ("passwordpassword", "passwordpassword", &code, 400, "Many people"),
        (PASSWORD, PASSWORD, "000", 403, "code is not right"),
    ] {
        let answer = take(password, again, code).await;
        assert!(answer.status == status && answer.text().contains(said), "{password}: {}", answer.text());
        assert!(!answer.text().contains(PASSWORD), "what was typed does not come back");
    }
    let done = take(PASSWORD, PASSWORD, &code).await;
    assert_eq!((done.status.as_u16(), done.headers["location"].to_str().unwrap()), (303, "/?lang=en"));
    let session = cookies(&done);
    assert_eq!(house.bench.get("/v1/alerts", &[("cookie", &session)]).await.status, 200, "let in at once");
    assert!(house.login.first(clock::now()).await.unwrap().is_none(), "somebody can log in now");
    assert_eq!(take(PASSWORD, PASSWORD, &code).await.status, 403, "once");
    assert_eq!(house.bench.get(path, &[]).await.status, 403);
    let kept = house.memory.credentials.lock().unwrap()["ada"].clone();
    assert!(kept.password.starts_with("$argon2id$") && !kept.totp.contains(&totp::spelled(&secret).replace(' ', "")));

    // A link that was outdone by another, that is of nobody, that has expired.
    let (old, new) = (house.login.invite("vera", "me", INVITE, clock::now()).await.unwrap().unwrap(), house.enrol("vera", &[]).await);
    assert!(!new.is_empty());
    let link = |url: &str| url.split_once("link=").unwrap().1.to_owned();
    assert!(matches!(house.login.invited(&link(&old.url), clock::now()).await, Err(Shut::Link)));
    assert!(house.login.invite("nobody", "me", INVITE, clock::now()).await.unwrap().is_none());
    let late = house.login.invite("vera", "me", Duration::from_secs(60), clock::now()).await.unwrap().unwrap();
    assert!(house.login.invited(&link(&late.url), clock::now()).await.is_ok());
    assert!(matches!(house.login.invited(&link(&late.url), clock::now().plus(60_001)).await, Err(Shut::Link)));
    assert!(matches!(house.login.invited("", clock::now()).await, Err(Shut::Link)));
}

#[tokio::test]
async fn two_who_use_a_link_or_code_at_once_do_not_both_get_in() {
    let house = house();
    let claim = async |id: &str| house.memory.claim("link/x", id, 0).await.unwrap();
    assert!(claim("a").await && !claim("b").await && !claim("a").await);
    let invite = house.login.invite("vera", "me", INVITE, clock::now()).await.unwrap().unwrap();
    let link = invite.url.split_once("link=").unwrap().1;
    let code = totp::code(&house.login.invited(link, clock::now()).await.unwrap().secret, clock::now());
    let typed = || Typed { name: "vera", password: PASSWORD, code: &code, from: None };
    let (one, other) = (typed(), typed());
    let both = tokio::join!(house.login.enrol(link, &one, clock::now()), house.login.enrol(link, &other, clock::now()));
    assert!(both.0.is_ok() != both.1.is_ok());
}

#[tokio::test]
async fn a_code_is_accepted_once() {
    let house = house();
    house.enrol("vera", &[]).await;
    let used = code_at("vera", &house, clock::now());
    let code = next_code("vera", &house);
    assert_eq!(house.enter("vera", PASSWORD, &used, &[]).await.status, 403, "it was typed when the password was set");
    let done = house.enter("vera", PASSWORD, &code, &[]).await;
    assert_eq!((done.status.as_u16(), done.headers["location"].to_str().unwrap()), (303, "/?state=open"));
    assert_eq!(house.enter("vera", PASSWORD, &code, &[]).await.status, 403, "read over a shoulder");
}

#[tokio::test]
async fn whoever_fails_hears_the_same_at_the_same_price() {
    let house = house();
    house.enrol("vera", &[]).await;
    house.login.invite("ada", "me", INVITE, clock::now()).await.unwrap();
    let right = next_code("vera", &house);
    let mut told = Vec::new();
    for (name, password, code) in [
        ("vera", "a wrong password", &*right),
        ("vera", PASSWORD, "000000"),
        ("nobody", PASSWORD, &right),
        ("ada", "invited, not there yet", &right),
        ("ada", "", &right),
    ] {
        house.memory.asked.store(0, Ordering::Relaxed);
        let watch = clock::Stopwatch::start();
        let answer = house.enter(name, password, code, &[]).await;
        let took = watch.elapsed();
        let text = answer.text().replace(&hidden(answer.text(), "form"), "").replace(&format!("value=\"{name}\""), "");
        told.push((answer.status, text, house.memory.asked.load(Ordering::Relaxed), took));
    }
    for (status, text, asked, took) in &told[1..] {
        assert_eq!((status, text, asked), (&told[0].0, &told[0].1, &told[0].2));
        assert!(*took * 4 > told[0].3, "a password is hashed whoever it is: {took:?}, not {:?}", told[0].3);
    }
    assert_eq!(told[0].0, 403);
    let seen = house.diary.0.lock().unwrap();
    let failed = |who: &str| seen.iter().filter(|(by, s)| by == who && matches!(s, Seen::Door(Door::LogIn { ok: false, .. }))).count();
    assert_eq!((failed("vera"), failed("nobody"), failed(NOBODY)), (2, 0, 1), "what was typed as a name is in no log");
    drop(seen);
    assert!(house.bench.counted("filin_login_attempts_total{outcome=\"refused\"} 5"));
}

#[tokio::test]
async fn tries_are_slowed_down() {
    let house = house();
    house.enrol("vera", &[]).await;
    let (began, from) = (clock::now(), "10.0.0.1".parse().ok());
    for name in ["vera", "nobody"] {
        for _ in 0..5 {
            assert_eq!(house.enter(name, "a wrong password", "000000", &[("peer", "10.0.0.1")]).await.status, 403);
        }
        // As of then, however long passwords took to hash since.
        assert!(matches!(house.login.attempt(name, from, began), Err(Shut::Wait(_))), "{name}");
        for step in 1..4 {
            house.login.attempt(name, from, began.plus(step * 400_000)).unwrap();
        }
        let refused = house.enter(name, "a wrong password", "000000", &[("peer", "10.0.0.1")]).await;
        assert_eq!((refused.status.as_u16(), refused.headers.contains_key("retry-after")), (429, true), "{name}");
        assert!(refused.text().contains("Too many tries"));
    }
    let code = next_code("vera", &house);
    assert_eq!(house.enter("vera", PASSWORD, &code, &[]).await.status, 429, "the right one has to wait as well");
    assert_eq!(house.bench.get("/v1/status", &[("cookie", &house.enrol("ada", &[]).await)]).await.status, 200, "others do not");
    assert!(house.bench.counted("filin_login_attempts_total{outcome=\"throttled\"} 5"));
}

#[tokio::test]
async fn a_log_in_has_an_id_of_its_own() {
    let house = house();
    house.enrol("vera", &[]).await;
    // Somebody put an id of theirs into her browser before she logged in.
    let planted = format!("filin-session={}", random::token().unwrap());
    let done = house.enter("vera", PASSWORD, &next_code("vera", &house), &[("cookie", &planted)]).await;
    let given = cookies(&done);
    assert!(done.status == 303 && given.starts_with("filin-session=") && given != planted);
    let status = async |cookie: &str| house.bench.get("/v1/alerts", &[("cookie", cookie)]).await.status.as_u16();
    assert_eq!((status(&planted).await, status(&given).await), (401, 200));
    // Beside hers, before or behind it, it opens nothing either.
    for both in [format!("{planted}; {given}"), format!("{given}; {planted}")] {
        assert_eq!(status(&both).await, 401, "{both}");
    }
    for forged in ["filin-session=", "filin-session=x", "filin-session=..%2f", &format!("__Host-filin={}", &given[14..])] {
        assert_eq!(status(forged).await, 401, "{forged}");
    }
    let row = house.memory.sessions.lock().unwrap().last().cloned().unwrap();
    assert!(
        !given.contains(&row.id_sha256) && row.id_sha256 == Account::hash_of(&given.as_bytes()["filin-session=".len()..]),
        "the store has a hash only"
    );
    // Whoever logs in again has left.
    let other = house.enrol("ada", &[]).await;
    let code = totp::code(&[0; 20], clock::now());
    assert_eq!(house.enter("vera", PASSWORD, &code, &[]).await.status, 403);
    assert_eq!((status(&given).await, status(&other).await), (200, 200));
}

#[tokio::test]
async fn log_ins_end() {
    let house = house();
    let now = clock::now();
    let fresh = async || {
        let cookie = house.enrol("vera", &[]).await;
        cookie["filin-session=".len()..].to_owned()
    };
    let holds = async |id: &str, after_s: i64| house.login.session(id, now.plus(after_s * 1000), true).await.unwrap().is_some();
    let id = fresh().await;
    assert!(holds(&id, 1790).await && holds(&id, 3500).await, "whoever works stays");
    assert!(!holds(&id, 5400).await, "idle");
    let id = fresh().await;
    for step in 1..=24 {
        assert!(holds(&id, step * 1795).await, "{step}");
    }
    assert!(!holds(&id, 43_205).await, "the longest");
    // A page that looks again by itself does not keep anybody.
    let id = fresh().await;
    for s in [600, 1200, 1790] {
        assert!(house.login.session(&id, now.plus(s * 1000), false).await.unwrap().is_some());
    }
    assert!(!holds(&id, 1810).await);

    let id = fresh().await;
    let session = house.login.session(&id, now, true).await.unwrap().unwrap();
    house.login.leave(&session, now).await.unwrap();
    // Another instance saw it later than it ended.
    let row = house.memory.sessions.lock().unwrap().iter().rfind(|row| row.id_sha256 == session.id_sha256).cloned().unwrap();
    house.memory.save(&SessionRow { ended: 0, seen: row.seen + 1, ..row }).await.unwrap();
    assert!(!holds(&id, 10).await, "logged out");

    let (old, new) = (fresh().await, fresh().await);
    assert!(!holds(&old, 10).await && holds(&new, 10).await, "a new password ends what was before");
    house.login.revoke("vera", "me", now).await.unwrap();
    assert!(!holds(&new, 10).await, "revoked");
    let code = totp::code(&[0; 20], now);
    let typed = Typed { name: "vera", password: PASSWORD, code: &code, from: None };
    assert!(matches!(house.login.enter(&typed, now).await, Err(Shut::Wrong)), "and nothing is left to log in with");

    let id = fresh().await;
    let metrics =
        || Metrics::new(&prometheus::Registry::new(), &crate::ops::metrics::Labels { controls: &[], severities: &[], reasons: &[] });
    let after = |account: Account| door(vec![account], &house.memory, &house.diary, metrics());
    let same = account("vera", Duty::Analyst);
    assert!(after(same.clone()).session(&id, now, true).await.unwrap().is_some(), "another instance, or the same after a restart");
    for changed in [
        Account { role: Duty::Admin, ..same.clone() },
        Account { tenant: Some("acme".to_owned()), ..same.clone() },
        Account { user: Some("u-1".to_owned()), ..same.clone() },
        Account { expires: Some(now), ..same.clone() },
        account("boris", Duty::Analyst),
    ] {
        assert!(after(changed.clone()).session(&id, now, true).await.unwrap().is_none(), "{changed:?}");
    }
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let house = house();
    let cookie = house.enrol("vera", &[]).await;
    let other = cookie.clone();
    let (form, _, html) = house.form("/password", &[("cookie", &cookie)]).await;
    assert!(html.contains("value=\"vera\""), "{html}");
    assert_eq!(house.bench.get("/password", &[]).await.status, 303, "whoever is not logged in logs in first");
    let code = next_code("vera", &house);
    let change = async |form: &str, password: &str, code: &str, new: &str| {
        let fields = [("form", form), ("password", password), ("code", code), ("new", new), ("again", new)];
        house.post("/password", &[("cookie", &cookie)], &fields).await
    };
    let new = "another river, in autumn";
    assert_eq!(change("", PASSWORD, &code, new).await.status, 403, "a page of another site");
    assert_eq!(change(&form, "a wrong password", &code, new).await.status, 403, "an open browser");
    assert_eq!(change(&form, PASSWORD, "000000", new).await.status, 403);
    assert_eq!(change(&form, PASSWORD, &code, "short").await.status, 400);
    let done = change(&form, PASSWORD, &code, new).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let status = async |cookie: &str| house.bench.get("/v1/alerts", &[("cookie", cookie)]).await.status.as_u16();
    assert_eq!((status(&other).await, status(&cookies(&done)).await), (401, 200), "all others have ended");
    let kept = house.memory.credentials.lock().unwrap()["vera"].clone();
    assert!(password::is(new, &kept.password) && !password::is(PASSWORD, &kept.password));
}

#[tokio::test]
async fn forms_of_others_change_nothing() {
    let house = house();
    let (vera, ada) = (house.enrol("vera", &[]).await, house.enrol("ada", &[]).await);
    let path = "/alerts/7a0c1a3e-3f6e-5b68-9a65-1f1d1b9a1c01";
    let form_of = async |cookie: &str| {
        let page = house.bench.get(path, &[("cookie", cookie)]).await;
        assert_eq!(page.status, 200, "{}", page.text());
        hidden(page.text(), "form")
    };
    let (veras, adas) = (form_of(&vera).await, form_of(&ada).await);
    assert_ne!(veras, adas);
    let act = async |cookie: &str, form: &str, more: &[(&str, &str)]| {
        let headers = [&[("cookie", cookie)], more].concat();
        house.post(path, &headers, &[("do", "close/unknown"), ("revision", "1"), ("form", form)]).await.status.as_u16()
    };
    assert_eq!(
        (act(&vera, "", &[]).await, act(&vera, &adas, &[]).await, act(&vera, &forms().form("name vera"), &[]).await),
        (403, 403, 403)
    );
    for more in [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example"), ("origin", "null")]
    {
        assert_eq!(act(&vera, &veras, &[more]).await, 403, "{more:?}");
    }
    assert_eq!(act(&vera, &veras, &[("sec-fetch-site", "same-origin")]).await, 303);
    // By the API a page of another site fails at the same places, and sends no JSON without asking first.
    let order = r#"{"action":"close","verdict":"unknown","revision":1}"#;
    let api = async |more: &[(&str, &str)]| {
        let headers = [&[("cookie", &*vera)], more].concat();
        house.bench.ask("POST", &format!("/v1{path}/actions"), &headers, order).await.status.as_u16()
    };
    assert_eq!(api(&[("content-type", "text/plain")]).await, 400);
    assert_eq!(api(&[("content-type", "application/json"), ("origin", "https://evil.example")]).await, 403);
    assert_eq!(api(&[("content-type", "application/json"), ("sec-fetch-site", "same-origin")]).await, 200);

    // Nobody is logged out, or in as somebody else, by a page of another site.
    let out = async |form: &str| house.post("/logout", &[("cookie", &vera)], &[("form", form)]).await;
    assert_eq!(out("").await.status, 403);
    assert_eq!(house.bench.get("/v1/alerts", &[("cookie", &vera)]).await.status, 200);
    let (form, cookie, _) = house.form("/login", &[]).await;
    let code = code_at("ada", &house, clock::now().plus(30_000));
    let fields =
        |form: &str| [("form", form.to_owned()), ("name", "ada".to_owned()), ("password", PASSWORD.to_owned()), ("code", code.clone())];
    let log_in = async |headers: &[(&str, &str)], form: &str| {
        let fields = fields(form);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        house.post("/login", headers, &fields).await.status.as_u16()
    };
    assert_eq!((log_in(&[], &form).await, log_in(&[("cookie", &cookie)], "").await), (403, 403), "form and cookie go together");
    assert_eq!(log_in(&[("cookie", &cookie), ("origin", "https://evil.example")], &form).await, 403);
    assert_eq!(log_in(&[("cookie", &cookie)], &form).await, 303);
    let done = out(&veras).await;
    assert!(done.status == 303 && done.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(house.bench.get("/v1/alerts", &[("cookie", &vera)]).await.status, 401, "the id is worth nothing any more");
}

#[tokio::test]
async fn cookies_travel_only_where_nobody_reads_them() {
    let proxy = Some(Proxy { header: None, from: vec!["10.0.0.7/32".parse().unwrap()] });
    let of = |encrypted, loopback| Access { encrypted, loopback, proxy: proxy.clone(), ..Access::default() };
    let far = ("host", "filin.example");
    let check = async |access: Access, headers: &[(&str, &str)], name: &str, secure: bool| {
        let house = house_with(access);
        let cookie = house.enrol("vera", headers).await;
        assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
        let done = house.enter("vera", PASSWORD, &next_code("vera", &house), headers).await;
        let set = done.headers["set-cookie"].to_str().unwrap();
        assert!(set.contains("; HttpOnly; SameSite=Strict") && set.contains("; Path=/;") && !set.contains("Domain"), "{set}");
        assert_eq!(set.contains("; Secure"), secure, "{set}");
    };
    check(of(true, false), &[far], "__Host-filin", true).await;
    check(of(false, true), &[], "filin-session", false).await;
    check(of(false, false), &[far, ("peer", "10.0.0.7"), ("x-forwarded-proto", "https")], "__Host-filin", true).await;
    // Beyond loopback without TLS no password is asked for, whatever a stranger says of it.
    let house = house_with(of(false, false));
    for headers in [&[far][..], &[far, ("x-forwarded-proto", "https")], &[far, ("peer", "10.0.0.8"), ("x-forwarded-proto", "https")]] {
        for path in ["/login", "/enrol"] {
            let answer = house.bench.get(path, headers).await;
            assert!(answer.status == 403 && answer.text().contains("unencrypted"), "{headers:?}");
        }
        assert!(house.bench.ask("POST", "/login", &[&[FORM], headers].concat(), "name=vera").await.status == 403);
    }
}

#[tokio::test]
async fn only_the_proxy_says_who_asks() {
    let proxy = Proxy { header: Some("x-forwarded-user".to_owned()), from: vec!["10.0.0.7/32".parse().unwrap()] };
    let house = house_with(Access { loopback: true, proxy: Some(proxy), ..Access::default() });
    let get = async |headers: &[(&str, &str)]| house.bench.get("/v1/alerts", headers).await;
    let (near, said) = (("peer", "10.0.0.7"), ("x-forwarded-user", "vera"));
    assert_eq!(get(&[near, said]).await.status, 200);
    assert_eq!(get(&[near, ("x-forwarded-user", "nobody")]).await.status, 403);
    assert_eq!(get(&[near, said, ("x-forwarded-user", "ada")]).await.status, 403, "one of two names came from elsewhere");
    assert_eq!(get(&[near]).await.status, 401);
    for elsewhere in [&[said][..], &[("peer", "10.0.0.8"), said], &[("peer", "127.0.0.1"), said, ("x-forwarded-for", "10.0.0.7")]] {
        let answer = get(elsewhere).await;
        assert!(answer.status == 403 && answer.text().contains("foreign_proxy"), "{elsewhere:?}");
    }
    assert!(house.bench.counted("filin_api_foreign_proxy_total 3"));
    // A page of another site has her proxy's log-in, too: the form tells.
    let path = "/alerts/7a0c1a3e-3f6e-5b68-9a65-1f1d1b9a1c01";
    let fields = |form: &str| encoded(&[("do", "close/unknown"), ("revision", "1"), ("form", form)]);
    let act = async |form: &str| house.bench.ask("POST", path, &[FORM, near, said], fields(form)).await.status.as_u16();
    let form = hidden(house.bench.get(path, &[near, said]).await.text(), "form");
    assert_eq!((act("").await, act(&form).await), (403, 303));
    // Where somebody is, the last proxy says, and nobody else.
    let place = |peer: &str, forwarded: &str| {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        let asker = crate::api::Asker { headers, peer: peer.parse().ok(), session: None };
        let access = Access { proxy: Some(Proxy { header: None, from: vec!["10.0.0.0/24".parse().unwrap()] }), ..Access::default() };
        access.place(&asker).unwrap().to_string()
    };
    assert_eq!(place("10.0.0.7", "1.1.1.1, 2.2.2.2"), "2.2.2.2");
    assert_eq!(place("10.0.0.7", "1.1.1.1, 2.2.2.2, 10.0.0.9"), "2.2.2.2");
    assert_eq!(place("10.0.0.7", "1.1.1.1, unknown"), "10.0.0.7");
    assert_eq!(place("3.3.3.3", "1.1.1.1"), "3.3.3.3");
}

#[tokio::test]
async fn pages_lead_to_the_log_in_and_back() {
    let house = house();
    let get = async |path: &str, headers: &[(&str, &str)]| house.bench.get(path, headers).await;
    let led = get("/?state=open&lang=ru", &[]).await;
    assert_eq!(
        (led.status.as_u16(), led.headers["location"].to_str().unwrap()),
        (303, "/login?lang=ru&next=%2F%3Fstate%3Dopen%26lang%3Dru")
    );
    assert_eq!(get("/alerts/none", &[]).await.status, 303, "whether there is such an alert, nobody learns");
    assert_eq!(get("/v1/alerts", &[]).await.status, 401);
    assert_eq!(get("/", &[("authorization", "Bearer wrong")]).await.status, 401);
    // From a message the browser comes without the cookie, and asks once more.
    let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let again = get("/?manager=%22%3E%3Cscript%3E", &link).await;
    assert!(again.status == 200 && again.text().contains("content=\"0;url=/?manager=%22%3E%3Cscript%3E\""), "{}", again.text());
    for (lang, words) in [("en", ["Log in", "Password", "Code from"]), ("ru", ["Вход", "Пароль", "Код из"])] {
        let page = get(&format!("/login?lang={lang}&next=//evil.example"), &[]).await;
        let html = page.text();
        assert!(words.iter().all(|word| html.contains(word)) && !html.contains("evil"), "{html}");
        for forbidden in [" style=", "<style", "<script", " onclick=", "http-equiv"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert_eq!(page.headers["cache-control"], "no-store");
    }
    let name = "Анна \"<b>\"";
    let cookie = house.enrol(name, &[]).await;
    let page = get("/?lang=en", &[("cookie", &cookie)]).await;
    assert!(page.text().contains("<b>Анна &quot;&lt;b&gt;&quot;</b>") && page.text().contains("action=\"/logout\""), "{}", page.text());
    assert_eq!(get("/login?next=/alerts/a", &[("cookie", &cookie)]).await.headers["location"], "/alerts/a");
    let failed = house.enter("<script>\"", "x", "1", &[]).await;
    assert!(failed.text().contains("value=\"&lt;script&gt;&quot;\""), "{}", failed.text());
}

#[tokio::test]
async fn who_comes_and_goes_is_written_down() {
    let house = house();
    let headers = [("peer", "10.0.0.1")];
    let cookie = house.enrol("vera", &headers).await;
    house.enter("vera", "a wrong password", "000000", &headers).await;
    let form = hidden(house.bench.get("/", &[("cookie", &cookie)]).await.text(), "form");
    house.post("/logout", &[("cookie", &cookie)], &[("form", &form)]).await;
    let json = [("content-type", "application/json"), ("authorization", "Bearer store")];
    let ask = async |path: &str, body: &str| house.bench.ask("POST", path, &json, body.to_owned()).await;
    let invite = ask("/v1/access/invites", r#"{"name":"ada","by":"root","seconds":600}"#).await;
    assert!(invite.status == 200 && invite.text().contains("https://filin.example/enrol?link="), "{}", invite.text());
    assert_eq!(ask("/v1/access/invites", r#"{"name":"nobody","by":"root"}"#).await.status, 400);
    assert_eq!(ask("/v1/access/invites", r#"{"name":"ada","by":"root","seconds":1}"#).await.status, 400);
    assert!(ask("/v1/access/revocations", r#"{"name":"vera","by":"root"}"#).await.text().contains("true"));
    assert!(ask("/v1/access/revocations", r#"{"name":"nobody","by":"root"}"#).await.text().contains("false"));
    let from = "10.0.0.1".parse().ok();
    let seen: Vec<_> =
        house.diary.0.lock().unwrap().drain(..).filter_map(|(by, s)| if let Seen::Door(d) = s { Some((by, d)) } else { None }).collect();
    let expected = [
        ("me", Door::Invited("vera".to_owned())),
        ("vera", Door::Enrolled { from }),
        ("vera", Door::LogIn { from, ok: true }),
        ("vera", Door::LogIn { from, ok: false }),
        ("vera", Door::LogOut),
        ("root", Door::Invited("ada".to_owned())),
        ("root", Door::Revoked("vera".to_owned())),
    ];
    assert_eq!(seen, expected.map(|(by, door)| (by.to_owned(), door)));
}
