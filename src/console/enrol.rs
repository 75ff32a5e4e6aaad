//! Where people set their password: by a link, with the second factor, or because they want another one.

use axum::{
    body::Bytes,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use maud::{Markup, html};
use qrcode::{Color, QrCode};
use serde::Deserialize;

use super::{
    door::{STALE, bare, chosen, door, fields, given, is_given, later, refusal, see, told, with},
    language,
    words::Lang,
};
use crate::{
    api::{
        Api, Asker, Error, Who,
        login::{
            Invited, Shut, Typed,
            password::{LEAST, Weak},
            totp,
        },
    },
    ops::clock,
};

/// What the page was asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    lang: Option<Lang>,
    link: Option<String>,
}

pub(super) async fn show(State(api): State<Api>, asker: Asker, asked: Result<Query<Asked>, QueryRejection>) -> Result<Response, Error> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let (lang, link) = (language(&asker.headers, asked.lang), asked.link.unwrap_or_default());
    let (login, way) = door(&api, &asker)?;
    match login.invited(&link, clock::now()).await {
        Ok(invited) => {
            let (form, cookie) = given(&api, &asker, way)?;
            Ok(with(Html(page(lang, &link, &form, &invited, None).into_string()).into_response(), cookie))
        }
        Err(shut) => shows(lang, &shut),
    }
}

/// A link that opens nothing.
fn shows(lang: Lang, shut: &Shut) -> Result<Response, Error> {
    let (status, text) = refusal(lang, shut)?;
    let inside = html! {
        (told(Some(&text)))
        p { (lang.pick("Ask whoever runs Filin for a new one:", "Попросите новую у того, кто обслуживает Filin:")) " " code { "filin access invite " (lang.pick("NAME", "ИМЯ")) } }
        p { a href={ "/login?lang=" (lang.tag()) } { (lang.pick("Log in", "Войти")) } }
    };
    let html = bare(lang, lang.pick("Link", "Ссылка"), |lang| format!("/enrol?lang={}", lang.tag()), &inside).into_string();
    Ok((status, Html(html)).into_response())
}

pub(super) async fn take(State(api): State<Api>, asker: Asker, body: Bytes) -> Result<Response, Error> {
    let field = fields(&asker, &body)?;
    let lang = language(&asker.headers, chosen(&field("lang")));
    let (login, way) = door(&api, &asker)?;
    let (link, password, code, now) = (field("link"), field("password"), field("code"), clock::now());
    let (form, cookie) = given(&api, &asker, way)?;
    let page =
        |status, invited: &Invited, text: &str| (status, Html(page(lang, &link, &form, invited, Some(text)).into_string())).into_response();
    let invited = match login.invited(&link, now).await {
        Ok(invited) => invited,
        Err(shut) => return shows(lang, &shut),
    };
    if !is_given(&api, &asker, way, &field("form")) {
        return Ok(with(page(StatusCode::FORBIDDEN, &invited, lang.pick(STALE[0], STALE[1])), cookie));
    }
    if password != field("again") {
        let text = lang.pick(UNEQUAL[0], UNEQUAL[1]);
        return Ok(with(page(StatusCode::BAD_REQUEST, &invited, text), cookie));
    }
    let typed = Typed { name: &invited.name, password: &password, code: &code, from: api.access.place(&asker) };
    match login.enrol(&link, &typed, now).await {
        Ok(id) => Ok(with(see(&format!("/?lang={}", lang.tag())), [way.give(&id)])),
        Err(Shut::Link) => shows(lang, &Shut::Link),
        Err(Shut::Weak(weak)) => Ok(with(page(StatusCode::BAD_REQUEST, &invited, why(lang, weak)), cookie)),
        Err(Shut::Wrong) => {
            let text =
                lang.pick("The code is not right. Does the phone show the right time?", "Код не подходит. Верно ли время на телефоне?");
            Ok(with(page(StatusCode::FORBIDDEN, &invited, text), cookie))
        }
        Err(shut) => {
            let (status, text) = refusal(lang, &shut)?;
            Ok(with(later(&shut, page(status, &invited, &text)), cookie))
        }
    }
}

pub(super) async fn show_change(
    State(api): State<Api>,
    asker: Asker,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let lang = language(&asker.headers, asked.lang);
    door(&api, &asker)?;
    if asker.session.is_none() {
        return Ok(see(&format!("/login?lang={}", lang.tag())));
    }
    Ok(Html(change_page(lang, &api.who(&asker)?, None).into_string()).into_response())
}

/// Another password for somebody who is logged in and knows the present one: whoever finds an open browser does not.
pub(super) async fn change(State(api): State<Api>, asker: Asker, body: Bytes) -> Result<Response, Error> {
    let field = fields(&asker, &body)?;
    let lang = language(&asker.headers, chosen(&field("lang")));
    let (login, way) = door(&api, &asker)?;
    asker.is_of_our_page()?;
    let (Some(session), who) = (&asker.session, api.who(&asker)?) else { return Err(Error::Unauthorized) };
    who.made(&field("form"))?;
    let (password, code, new, now) = (field("password"), field("code"), field("new"), clock::now());
    let page = |status, text: &str| (status, Html(change_page(lang, &who, Some(text)).into_string())).into_response();
    if new != field("again") {
        return Ok(page(StatusCode::BAD_REQUEST, lang.pick(UNEQUAL[0], UNEQUAL[1])));
    }
    let typed = Typed { name: &session.name, password: &password, code: &code, from: api.access.place(&asker) };
    match login.change(&typed, &new, now).await {
        Ok(id) => Ok(with(see(&format!("/?lang={}", lang.tag())), [way.give(&id)])),
        Err(Shut::Weak(weak)) => Ok(page(StatusCode::BAD_REQUEST, why(lang, weak))),
        Err(shut) => {
            let (status, text) = refusal(lang, &shut)?;
            Ok(later(&shut, page(status, &text)))
        }
    }
}

const UNEQUAL: [&str; 2] = ["The two passwords are not the same.", "Пароли не совпадают."];

fn change_page(lang: Lang, who: &Who, wrong: Option<&str>) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let inside = html! {
        (told(wrong))
        form method="post" action="/password" {
            input type="hidden" name="form" value=(who.form);
            input type="hidden" name="lang" value=(lang.tag());
            p { label { (t("Name", "Имя")) input type="text" value=[&who.name] readonly autocomplete="username"; } }
            p { label { (t("Present password", "Нынешний пароль")) input type="password" name="password" required maxlength="256" autocomplete="current-password"; } }
            (code_field(t("Code from your authenticator", "Код из приложения-аутентификатора")))
            (new_fields(lang, "new"))
            p { button type="submit" { (t("Change", "Сменить")) } }
        }
        p.note { (t("All other log-ins of yours end.", "Все остальные ваши входы завершатся.")) }
    };
    bare(lang, t("Another password", "Смена пароля"), |lang| format!("/password?lang={}", lang.tag()), &inside)
}

/// Where a code is typed.
pub(super) fn code_field(label: &str) -> Markup {
    html! {
        p { label {
            (label)
            input.code type="text" name="code" required inputmode="numeric" pattern="[0-9 ]{6,8}" maxlength="8" autocomplete="one-time-code";
        } }
    }
}

/// Where a new password is typed, twice.
fn new_fields(lang: Lang, name: &str) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    html! {
        p.note { (LEAST) " " (t("letters at least; a sentence of your own is good. What else is in it is your affair.", "знаков или больше; хороша своя фраза. Что в нём ещё — дело ваше.")) }
        p { label { (t("New password", "Новый пароль")) input type="password" name=(name) required minlength=(LEAST) maxlength="256" autocomplete="new-password"; } }
        p { label { (t("The same again", "Ещё раз")) input type="password" name="again" required minlength=(LEAST) maxlength="256" autocomplete="new-password"; } }
    }
}

fn why(lang: Lang, weak: Weak) -> &'static str {
    match weak {
        Weak::Short => lang.pick("The password is too short.", "Пароль слишком короткий."),
        Weak::Long => lang.pick("The password is too long.", "Пароль слишком длинный."),
        Weak::Common => lang.pick("Many people have this password. Take another one.", "Такой пароль у многих. Придумайте другой."),
        Weak::Name => lang.pick("The password holds your name. Take another one.", "В пароле ваше имя. Придумайте другой."),
    }
}

fn page(lang: Lang, link: &str, form: &str, invited: &Invited, wrong: Option<&str>) -> Markup {
    let t = |en, ru| lang.pick(en, ru);
    let Invited { name, secret } = invited;
    let uri = totp::uri(name, secret);
    let address = |lang: Lang| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("lang", lang.tag()).append_pair("link", link).finish();
        format!("/enrol?{query}")
    };
    let inside = html! {
        (told(wrong))
        form method="post" action="/enrol" {
            input type="hidden" name="form" value=(form);
            input type="hidden" name="link" value=(link);
            input type="hidden" name="lang" value=(lang.tag());
            p { label { (t("Name", "Имя")) input type="text" value=(name) readonly autocomplete="username"; } }
            h2 { "1. " (t("Password", "Пароль")) }
            (new_fields(lang, "password"))
            h2 { "2. " (t("Second factor", "Второй фактор")) }
            p.note { (t("Read the picture with an authenticator on your phone, open the address on it, or type the secret.", "Считайте картинку приложением-аутентификатором на телефоне, откройте адрес на нём или введите секрет.")) }
            (picture(lang, &uri))
            p { code.secret { (totp::spelled(secret)) } }
            p { a href=(uri) { (t("Open in an authenticator on this device", "Открыть в аутентификаторе на этом устройстве")) } }
            (code_field(t("Code that it shows now", "Код, который он показывает сейчас")))
            p { button type="submit" { (t("Set and log in", "Сохранить и войти")) } }
        }
    };
    bare(lang, t("Your log-in", "Ваш вход"), address, &inside)
}

/// A QR code; none where the text is too long for one.
fn picture(lang: Lang, text: &str) -> Markup {
    let Ok(code) = QrCode::new(text.as_bytes()) else { return html! {} };
    // Readers want four modules of white around it.
    let (width, quiet) = (code.width(), 4);
    let dark = code.into_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    let path = dark.fold(String::new(), |path, (i, _)| format!("{path}M{} {}h1v1h-1z", i % width + quiet, i / width + quiet));
    let side = width + 2 * quiet;
    html! {
        svg.qr viewBox={ "0 0 " (side) " " (side) } role="img" aria-label=(lang.pick("QR code of the secret", "QR-код секрета")) {
            rect width=(side) height=(side) fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    }
}
