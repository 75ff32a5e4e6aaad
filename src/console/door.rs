//! Where people log in and out. Plain forms; whoever fails is told the same whatever was wrong.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use super::{
    enrol::code_field,
    language,
    page::{brand, head, languages},
    words::Lang,
};
use crate::{
    api::{
        Api, Asker, Error, Login, Reading, Who,
        login::{Session, Shut, Typed, Way},
    },
    event::Timestamp,
    ops::clock,
};

/// What the page was asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    lang: Option<Lang>,
    next: Option<String>,
}

/// Where people log in, and how their cookie travels there.
pub(super) fn door<'a>(api: &'a Api, asker: &Asker) -> Result<(&'a Arc<Login>, Way), Error> {
    let login = api.login.as_ref().ok_or(Error::NotFound("nobody logs in here: http.login is off"))?;
    let message = "passwords are not taken where others can read them on the way: come by https, or on this machine";
    let way = api.access.way(asker).ok_or(Error::Forbidden { code: "unencrypted", message: message.to_owned() })?;
    Ok((login, way))
}

/// What is stored, for whoever is let in. Others are led to where they log in.
pub(super) fn let_in<'a>(api: &'a Api, asker: &Asker, lang: Lang, uri: &Uri) -> Result<Reading<'a>, Box<Result<Response, Error>>> {
    let refused = match api.reader(asker) {
        Ok(reading) => return Ok(reading),
        Err(refused) => refused,
    };
    if !matches!(refused, Error::Unauthorized) || api.login.is_none() || asker.headers.contains_key(header::AUTHORIZATION) {
        return Err(Box::new(Err(refused)));
    }
    let here = uri.path_and_query().map_or("/", |p| p.as_str());
    // A link in a message: the browser keeps our cookie back until a page of ours asks.
    if asker.headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err(Box::new(Ok(Html(again(lang, here).into_string()).into_response())));
    }
    Err(Box::new(Ok(to_door(lang, here))))
}

fn to_door(lang: Lang, next: &str) -> Response {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("lang", lang.tag()).append_pair("next", next).finish();
    see(&format!("/login?{query}"))
}

pub(super) fn see(place: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::try_from(place).unwrap_or(HeaderValue::from_static("/")))]).into_response()
}

fn again(lang: Lang, here: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head { (head("Filin")) meta http-equiv="refresh" content={ "0;url=" (here) }; }
            body { main { p { a href=(here) { (lang.pick("Go on", "Дальше")) } } } }
        }
    }
}

/// A page of ours that somebody may go on to; nothing that they were sent leads elsewhere.
fn ours(next: Option<&str>) -> &str {
    let is_page = |next: &&str| {
        let path = next.split('?').next().unwrap_or_default();
        let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        plain && (matches!(path, "/" | "/reveals") || path.starts_with("/alerts/") && !path.contains("//"))
    };
    next.filter(is_page).unwrap_or("/")
}

/// The fields of a form; of two of one name the first.
pub(super) fn fields(asker: &Asker, body: &[u8]) -> Result<impl Fn(&str) -> String, Error> {
    let kind = asker.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Error::Unsupported("a form is read here".to_owned()));
    }
    let all: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    Ok(move |name: &str| all.iter().find(|(key, _)| key == name).map_or(String::new(), |(_, value)| value.clone()))
}

pub(super) fn chosen(word: &str) -> Option<Lang> {
    [Lang::En, Lang::Ru].into_iter().find(|lang| lang.tag() == word)
}

/// Whether a form of somebody who is not logged in yet was given to this browser.
pub(super) fn is_given(api: &Api, asker: &Asker, way: Way, form: &str) -> bool {
    let given = way.of_form(&asker.headers).map(|id| api.forms.form(&format!("door {id}")));
    asker.is_of_our_page().is_ok() && given.is_some_and(|given| crate::ops::config::Secret::new(given).is(form.as_bytes()))
}

/// What such a form carries, and the cookie that goes with it.
pub(super) fn given(api: &Api, asker: &Asker, way: Way) -> Result<(String, Option<HeaderValue>), Error> {
    let (id, cookie) = way.form(&asker.headers).map_err(|e| no_random(&e))?;
    Ok((api.forms.form(&format!("door {id}")), cookie))
}

fn no_random(e: &std::io::Error) -> Error {
    tracing::error!(error = %e, "the system gives no random bytes");
    Error::Unavailable { code: "away", message: "nobody can log in now: try again".to_owned() }
}

/// What somebody reads who was not let in, and with which status.
pub(super) fn refusal(lang: Lang, shut: &Shut) -> Result<(StatusCode, String), Error> {
    let t = |en: &str, ru: &str| lang.pick(en, ru).to_owned();
    Ok(match shut {
        Shut::Wait(wait) => {
            let span = lang.span((*wait).max(std::time::Duration::from_secs(1)));
            let text = format!("{} {span}", lang.pick("Too many tries. Wait for", "Слишком много попыток. Подождите"));
            (StatusCode::TOO_MANY_REQUESTS, text)
        }
        Shut::Wrong => (
            StatusCode::FORBIDDEN,
            t(
                "Name, password or code is not right. A code works once; the next one comes within half a minute.",
                "Имя, пароль или код не подходит. Код действует один раз, следующий появится в течение полуминуты.",
            ),
        ),
        Shut::Link => (StatusCode::FORBIDDEN, t("This link does not open anything any more.", "Эта ссылка больше ничего не открывает.")),
        Shut::Weak(_) => (StatusCode::BAD_REQUEST, String::new()),
        Shut::Away(why) => {
            tracing::error!(error = why, "somebody cannot log in");
            return Err(Error::Unavailable { code: "away", message: "nobody can log in now: try again".to_owned() });
        }
    })
}

pub(super) const STALE: [&str; 2] = [
    "That page was open for too long or in another browser. Try again.",
    "Та страница была открыта слишком долго или в другом браузере. Попробуйте ещё раз.",
];

/// An answer with its cookies.
pub(super) fn with(mut response: Response, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) async fn show(State(api): State<Api>, asker: Asker, asked: Result<Query<Asked>, QueryRejection>) -> Result<Response, Error> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let (lang, next) = (language(&asker.headers, asked.lang), ours(asked.next.as_deref()));
    let (_, way) = door(&api, &asker)?;
    if asker.session.is_some() {
        return Ok(see(next));
    }
    let (form, cookie) = given(&api, &asker, way)?;
    Ok(with(Html(page(lang, next, &form, "", None).into_string()).into_response(), cookie))
}

pub(super) async fn enter(State(api): State<Api>, asker: Asker, body: Bytes) -> Result<Response, Error> {
    let field = fields(&asker, &body)?;
    let lang = language(&asker.headers, chosen(&field("lang")));
    let (login, way) = door(&api, &asker)?;
    let (next, name, now) = (field("next"), field("name"), clock::now());
    let next = ours(Some(&next));
    let (form, cookie) = given(&api, &asker, way)?;
    if !is_given(&api, &asker, way, &field("form")) {
        let text = lang.pick(STALE[0], STALE[1]);
        return Ok(with((StatusCode::FORBIDDEN, Html(page(lang, next, &form, &name, Some(text)).into_string())).into_response(), cookie));
    }
    let (password, code) = (field("password"), field("code"));
    let typed = Typed { name: name.trim(), password: &password, code: &code, from: api.access.place(&asker) };
    match login.enter(&typed, now).await {
        Ok(id) => {
            // Whoever was logged in here is so no longer.
            if let Some(old) = &asker.session {
                left(login, old, lang, now).await?;
            }
            Ok(with(see(next), [way.give(&id)]))
        }
        Err(shut) => {
            let (status, text) = refusal(lang, &shut)?;
            let html = page(lang, next, &form, &name, Some(&text)).into_string();
            Ok(with(later(&shut, (status, Html(html)).into_response()), cookie))
        }
    }
}

/// Says to programs when to come again.
pub(super) fn later(shut: &Shut, mut response: Response) -> Response {
    if let Shut::Wait(wait) = shut {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    }
    response
}

/// Ends a log-in.
async fn left(login: &Login, session: &Session, lang: Lang, now: Timestamp) -> Result<(), Error> {
    login.leave(session, now).await.map_err(|shut| refusal(lang, &shut).err().unwrap_or(Error::Unauthorized))
}

pub(super) async fn leave(State(api): State<Api>, asker: Asker, body: Bytes) -> Result<Response, Error> {
    let field = fields(&asker, &body)?;
    let lang = language(&asker.headers, chosen(&field("lang")));
    let (login, way) = door(&api, &asker)?;
    asker.is_of_our_page()?;
    if let Some(session) = &asker.session {
        api.who(&asker)?.made(&field("form"))?;
        left(login, session, lang, clock::now()).await?;
    }
    Ok(with(see(&format!("/login?lang={}", lang.tag())), [way.take()]))
}

/// Who is logged in, and the button by which they leave.
pub(super) fn leave_button(lang: Lang, who: &Who) -> Markup {
    html! {
        @if let (true, Some(name)) = (who.is_logged_in(), &who.name) {
            form.leave method="post" action="/logout" {
                input type="hidden" name="form" value=(who.form);
                input type="hidden" name="lang" value=(lang.tag());
                b { (name) } " " a href={ "/password?lang=" (lang.tag()) } { (lang.pick("Password", "Пароль")) } " " button type="submit" { (lang.pick("Log out", "Выйти")) }
            }
        }
    }
}

/// A page without anybody in it.
pub(super) fn bare(lang: Lang, title: &str, address: impl Fn(Lang) -> String, inside: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head { (head(&format!("Filin · {title}"))) }
            body {
                header.top { (brand("/")) p.lead {} div.controls { (languages(lang, address)) } }
                main { section.door aria-labelledby="door" { h1 #door { (title) } (inside) } }
            }
        }
    }
}

/// What went wrong, where somebody who sees nothing hears it at once.
pub(super) fn told(text: Option<&str>) -> Markup {
    html! { @if let Some(text) = text { p.wrong role="alert" { (text) } } }
}

fn page(lang: Lang, next: &str, form: &str, name: &str, wrong: Option<&str>) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let address = |lang: Lang| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("lang", lang.tag()).append_pair("next", next).finish();
        format!("/login?{query}")
    };
    let inside = html! {
        (told(wrong))
        form method="post" action="/login" {
            input type="hidden" name="form" value=(form);
            input type="hidden" name="next" value=(next);
            input type="hidden" name="lang" value=(lang.tag());
            p { label { (t("Name", "Имя")) input type="text" name="name" value=(name) required maxlength="200" autocomplete="username" autofocus[name.is_empty()]; } }
            p { label { (t("Password", "Пароль")) input type="password" name="password" required maxlength="256" autocomplete="current-password" autofocus[!name.is_empty()]; } }
            (code_field(t("Code from your authenticator", "Код из приложения-аутентификатора")))
            p { button type="submit" { (t("Log in", "Войти")) } }
        }
        p.note {
            (t("No log-in yet, or the password or the phone is gone? Ask whoever runs Filin for a link:", "Ещё нет входа, забыт пароль или потерян телефон? Попросите ссылку у того, кто обслуживает Filin:"))
            " " code { "filin access invite " (t("NAME", "ИМЯ")) }
        }
    };
    bare(lang, t("Log in", "Вход"), address, &inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_elsewhere() {
        for next in ["/", "/?lang=ru&state=open", "/alerts/7a0c1a3e-3f6e-5b68-9a65-1f1d1b9a1c01?lang=en"] {
            assert_eq!(ours(Some(next)), next);
        }
        for next in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/alerts//evil.example",
            "/logout",
            "/\r\nset-cookie: a=b",
            "/alerts/\u{a0}",
            "/enrol?link=x",
            "\t//evil.example",
            "/alerts/a\\b",
        ] {
            assert_eq!(ours(Some(next)), "/", "{next:?}");
        }
        assert_eq!(ours(None), "/");
    }
}
