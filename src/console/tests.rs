use std::collections::BTreeMap;

use super::digest::{Frame, page as page_of};
use crate::{
    api::tests::{Bench, forms, loopback},
    store::digest::{Amounts, Digest, Person, Stranger},
};

/// The page as a browser asks for it.
async fn page(bench: &Bench, path: &str, language: &str) -> String {
    let answer = bench.get(path, &[("accept-language", language)]).await;
    assert_eq!(answer.status, 200, "{path}");
    assert!(answer.headers["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/html")));
    answer.text().to_owned()
}

#[tokio::test]
async fn shows_alerts_by_pseudonym_only() {
    let html = page(&loopback(), "/", "en").await;
    for text in [
        "900 records left, 12 are usual",
        "900 records were exported",
        "MFRGGZDFMY",
        "2026-03-12 09:20 UTC",
        "/v1/alerts/7a0c1a3e",
        "bulk_export",
    ] {
        assert!(html.contains(text), "{text} is missing");
    }
    assert!(!html.contains("u-17"), "ids of people do not show");
    assert!(html.contains("North &lt;b&gt;") && !html.contains("North <b>"), "what sources say is escaped");
}

#[tokio::test]
async fn speaks_the_readers_language() {
    let bench = loopback();
    let russian = page(&bench, "/", "ru-RU,ru;q=0.9,en;q=0.5").await;
    assert!(russian.contains("<html lang=\"ru\">") && russian.contains("ru 900 records left") && russian.contains("Оповещения"));
    let english = page(&bench, "/?lang=en&manager=MFRGGZDFMY", "ru").await;
    assert!(english.contains("<html lang=\"en\">") && english.contains("href=\"/?lang=ru&amp;manager=MFRGGZDFMY\""));
    assert!(page(&bench, "/?lang=xx&severity=huge", "de").await.contains("<html lang=\"en\">"));
}

#[tokio::test]
async fn is_strict_about_what_it_loads() {
    let html = page(&loopback(), "/", "en").await;
    for forbidden in [" style=", "<style", " onclick=", "javascript:", "http-equiv", "src=\"http", "href=\"//"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    for asset in ["filin.css", "filin.js", "filin.svg"] {
        assert!(html.contains(&format!("/assets/{asset}")));
        assert_eq!(loopback().get(&format!("/assets/{asset}"), &[]).await.status, 200);
    }
}

#[tokio::test]
async fn says_what_is_missing_before_it_is_ready() {
    let bench = loopback();
    bench.status.send_modify(|status| status.missing = vec!["restore"]);
    let html = page(&bench, "/", "en").await;
    assert!(html.contains("starting") && html.contains("restore") && !html.contains("MFRGGZDFMY"));
}

#[tokio::test]
async fn the_order_that_answers_taught_shows_where_there_is_one() {
    let bench = loopback();
    let link = "href=\"/?sort=priority\"";
    assert!(!page(&bench, "/", "en").await.contains(link));
    bench.teach();
    assert!(page(&bench, "/", "en").await.contains(link) && page(&bench, "/", "ru").await.contains("как научили ваши ответы"));
}

#[tokio::test]
async fn hostile_filters_are_only_text() {
    let html = page(&loopback(), "/?manager=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&tenant=%27", "en").await;
    assert!(!html.contains("<script>alert"), "{html}");
}

#[tokio::test]
async fn an_alert_is_answered_by_plain_buttons() {
    let bench = loopback();
    let path = "/alerts/7a0c1a3e-3f6e-5b68-9a65-1f1d1b9a1c01";
    let html = page(&bench, path, "en").await;
    for text in [
        "That was work",
        "That was not work",
        "False alarm",
        "value=\"close/benign_expected\"",
        "name=\"revision\" value=\"1\"",
        "method=\"post\"",
        "Check first",
        "events behind it",
    ] {
        assert!(html.contains(text), "{text} is missing");
    }
    assert!(html.contains("vera &lt;i&gt;") && html.contains("asked her &lt;script&gt;") && !html.contains("<script"), "{html}");
    assert!(!html.contains("u-17") && !html.contains(" style=") && !html.contains(" onclick="));
    assert!(page(&bench, path, "ru").await.contains("Это была работа"));
    assert_eq!(bench.get("/alerts/none", &[]).await.status, 404);
    let list = page(&bench, "/?state=open", "en").await;
    assert!(list.contains(&format!("href=\"{path}?lang=en\"")) && list.contains("href=\"/?state=closed\""));

    let form = ("content-type", "application/x-www-form-urlencoded");
    let ours = ("sec-fetch-site", "same-origin");
    let mark = forms().form("nameless Nothing");
    assert!(html.contains(&format!("name=\"form\" value=\"{mark}\"")));
    let good = format!("do=close%2Fbenign_expected&revision=1&text=a+campaign&lang=ru&form={mark}");
    let done = bench.ask("POST", path, &[form, ours], good.clone()).await;
    assert_eq!((done.status.as_u16(), done.headers["location"].to_str().ok()), (303, Some(&*format!("{path}?lang=ru"))));
    assert_eq!(
        bench.ask("POST", path, &[form, ours], format!("do=reopen&revision=0&form={mark}")).await.status,
        409,
        "somebody was faster"
    );
    assert_eq!(bench.ask("POST", path, &[form, ("sec-fetch-site", "same-site")], good.clone()).await.status, 403);
    assert_eq!(bench.ask("POST", path, &[form, ("origin", "https://evil.example")], good.clone()).await.status, 403);
    assert_eq!(bench.ask("POST", path, &[form, ours], "do=burn").await.status, 400);
    for foreign in ["", "&form=", "&form=00", &format!("&form={}", forms().form("name vera"))] {
        let answer = bench.ask("POST", path, &[form, ours], format!("do=close%2Funknown&revision=1{foreign}")).await;
        assert!(answer.status == 403 && answer.text().contains("foreign_form"), "{foreign}: a form without its mark");
    }
    assert_eq!(bench.ask("POST", path, &[("content-type", "application/json"), ours], good.clone()).await.status, 415);
}

#[test]
fn names_in_a_digest_are_only_text() {
    let hostile = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
    let text = || hostile.to_owned();
    let week =
        Amounts { manager: "u-1".to_owned(), manager_alias: text(), team: text(), role: text(), unrelated: 9.0, ..Amounts::default() };
    let strangers = vec![Stranger { manager: "u-1".to_owned(), client: text(), times: 3, calls: 1, last: 0 }];
    let person = Person { week: week.clone(), usual: None, strangers, alerts: Vec::new() };
    let digest = Digest { tenant: text(), people: vec![person], silent: vec![week], ..Digest::default() };
    for names in [BTreeMap::new(), BTreeMap::from([("u-1".to_owned(), text())])] {
        let html = page_of(&Frame { russian: false, supervisor: Some(text()), names, console: text() }, &digest);
        assert!(html.contains("&lt;script&gt;alert(1)") && !html.contains("<script") && !html.contains("<img"), "{html}");
    }
}
