//! People log in to a real service: a link from its first lines, password and second factor, a log-in that outlives a restart and
//! ends when it is taken away; all of it in the log of `_audit`.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use ring::hmac;
use serde_json::Value;

use crate::service::{Service, ended, filin, wait};

const PASSWORD: &str = "a river in spring";

/// RFC 6238, written once more.
fn code(secret: &str, steps: u64) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).expect("base 32");
    let step = u64::try_from(filin::ops::clock::now().millis() / 30_000).expect("after 1970") + steps;
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret), &step.to_be_bytes());
    let at = usize::from(mac.as_ref()[19] & 15);
    let number = u32::from_be_bytes(mac.as_ref()[at..at + 4].try_into().expect("four bytes")) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// What a browser hears: status, head, page.
fn visit(host: &str, method: &str, path: &str, cookie: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(host).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, page) = answer.split_once("\r\n\r\n").expect("a head");
    (head.split_whitespace().nth(1).and_then(|s| s.parse().ok()).expect("a status"), head.to_owned(), page.to_owned())
}

fn between<'a>(text: &'a str, before: &str, behind: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split(behind).next().expect("a part")
}

fn set(head: &str) -> String {
    between(head, "set-cookie: ", ";").to_owned()
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[test]
fn people_log_in_by_link_password_and_second_factor() {
    let root = tempfile::tempdir().expect("a folder");
    let config = root.path().join("filin.toml");
    let data = root.path().join("data");
    let text = "listen = '127.0.0.1:0'\n[canary]\nenabled = false\n[http.login]\nenabled = true\n\
                [[access]]\nname = 'vera'\nrole = 'analyst'\n[[access]]\nname = 'ada'\nrole = 'admin'\n";
    fs::write(&config, format!("[embedded]\ndata = {data:?}\n{text}")).expect("written");
    let arguments = ["--config", config.to_str().expect("plain")];
    let mut service = Service::start(&data, &arguments);
    let said = service.line();
    assert!(said.contains("by this link ada sets password and second factor, once, until"), "{said}");
    let place = between(&said, &service.console, "\n").to_owned();
    let host = service.console.clone();

    // Ada sets hers by the link and is in; the link is worth nothing then.
    let enrol = |path: &str| {
        let (status, head, page) = visit(&host, "GET", path, "", "");
        assert_eq!(status, 200, "{page}");
        let secret = between(&page, "<code class=\"secret\">", "<").to_owned();
        let (mark, link) = (between(&page, "name=\"form\" value=\"", "\""), between(&page, "name=\"link\" value=\"", "\""));
        let fields = [("form", mark), ("link", link), ("password", PASSWORD), ("again", PASSWORD), ("code", &*code(&secret, 0))];
        let (status, head, page) = visit(&host, "POST", "/enrol", &set(&head), &form(&fields));
        assert_eq!(status, 303, "{page}");
        assert_eq!(visit(&host, "GET", path, "", "").0, 403, "once");
        (secret, set(&head))
    };
    let (secret, first) = enrol(&place);
    assert_eq!(visit(&host, "GET", "/v1/alerts", &first, "").0, 200);
    assert_eq!(visit(&host, "GET", "/v1/alerts", "", "").0, 401, "on loopback, too");
    assert_eq!(visit(&host, "GET", "/", "", "").0, 303);

    // Another log-in, with the next code, which opens once; then out of it.
    let enter = || {
        let (_, head, page) = visit(&host, "GET", "/login", "", "");
        let fields = [
            ("form", between(&page, "name=\"form\" value=\"", "\"")),
            ("name", "ada"),
            ("password", PASSWORD),
            ("code", &*code(&secret, 1)),
        ];
        visit(&host, "POST", "/login", &set(&head), &form(&fields))
    };
    let (status, head, page) = enter();
    assert_eq!(status, 303, "{page}");
    let second = set(&head);
    assert_eq!(enter().0, 403, "the same code again");
    let page = visit(&host, "GET", "/?lang=en", &second, "").2;
    assert!(page.contains("<b>ada</b>") && page.contains("Log out"), "{page}");
    let out = form(&[("form", between(&page, "name=\"form\" value=\"", "\""))]);
    assert_eq!(visit(&host, "POST", "/logout", &second, &out).0, 303);
    assert_eq!((visit(&host, "GET", "/v1/alerts", &second, "").0, visit(&host, "GET", "/v1/alerts", &first, "").0), (401, 200));

    // The command line makes links, says who can log in, and takes it away at once.
    let access = |words: &[&str], code: i32| {
        let mut command = filin(&[&["access"], words].concat());
        command.args(arguments);
        String::from_utf8(ended(command, code).stdout).expect("text")
    };
    let made: Value = serde_json::from_str(&access(&["invite", "vera", "--for", "2h", "--by", "root", "--json"], 0)).expect("JSON");
    let url = made["url"].as_str().expect("a link");
    enrol(url.split_once(&host).expect("ours").1);
    let listed = access(&["list"], 0);
    assert!(listed.lines().filter(|l| l.contains("can log in")).count() == 2, "{listed}");
    access(&["invite", "nobody", "--by", "root"], 1);
    access(&["revoke", "nobody", "--by", "root"], 1);

    let seen = |more: &str| service.logged(&format!("SELECT count() FROM events WHERE tenant = '_audit' AND {more}"));
    wait("the log-ins in the log", || {
        let all = [
            "action = 'login' AND actor_id = 'ada' AND outcome = 'success'",
            "action = 'login' AND actor_id = 'ada' AND outcome = 'failure'",
            "action = 'logout' AND actor_id = 'ada'",
            "change_what = 'access.invited' AND change_target = 'vera' AND actor_id = 'root'",
            "change_what = 'access.enrolled' AND actor_id = 'vera'",
        ];
        (all.map(seen) == [2, 1, 1, 1, 1]).then_some(())
    });
    for table in ["credentials", "sessions", "login_claims"] {
        assert_eq!(service.http_clickhouse(&format!("SELECT * FROM filin.{table}")).0, 403, "no reader sees {table}");
    }
    service.stop();

    // A restart ends no log-in, and nobody is invited again; a revocation ends them all.
    let service = Service::start(&data, &arguments);
    let host = service.console.clone();
    assert_eq!(visit(&host, "GET", "/v1/alerts", &first, "").0, 200);
    access(&["revoke", "ada", "--by", "root"], 0);
    assert_eq!(visit(&host, "GET", "/v1/alerts", &first, "").0, 401);
    assert!(access(&["list", "--json"], 0).contains("\"no log-in\""));
    service.stop();
}
