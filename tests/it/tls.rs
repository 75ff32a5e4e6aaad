//! The encrypted listener: what it shows, whom it lets in, and a certificate that is renewed while it runs.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::service::{Service, ended, filin, free_address, wait};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(name)).expect("a certificate")
}

/// Status and whole answer, and the certificate that was shown; none where no connection came about.
fn get(address: &str, path: &str, more: &str, client: bool) -> Option<(u16, String, CertificateDer<'static>)> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("root.pem")).expect("a root");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let builder = builder.expect("versions").with_root_certificates(roots);
    let config = if client {
        let key = PrivateKeyDer::from_pem_file(fixture("client.key")).expect("a key");
        builder.with_client_auth_cert(vec![certificate("client.pem")], key).expect("a pair")
    } else {
        builder.with_no_client_auth()
    };
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().expect("a name")).expect("a connection");
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.split_whitespace().nth(1)?.parse().expect("a status");
    let shown = stream.conn.peer_certificates()?.first()?.clone().into_owned();
    Some((status, text, shown))
}

#[test]
fn an_encrypted_listener_asks_for_tokens_and_certificates_and_renews_its_own() {
    let root = tempfile::tempdir().expect("a folder");
    let (data, address) = (root.path().join("data"), free_address());
    let place = |name: &str| root.path().join(name);
    let install = |name: &str| {
        fs::copy(fixture(&format!("{name}.pem")), place("now.pem")).expect("copied");
        fs::copy(fixture(&format!("{name}.key")), place("now.key")).expect("copied");
    };
    install("server");
    let written = |more: &str| {
        let text = format!(
            "[http]\nreader_token = 'a-token-of-sixteen-letters'\n[http.tls]\nlisten = '{address}'\ncertificate = {:?}\nkey = {:?}\n{more}\
             [embedded]\nlisten = '127.0.0.1:0'\n",
            place("now.pem"),
            place("now.key")
        );
        fs::write(place("filin.toml"), text).expect("written");
    };
    written("");
    let config = place("filin.toml");
    let arguments = ["--config", config.to_str().expect("plain")];
    let service = Service::start(&data, &arguments);
    let (status, text, shown) = get(&address, "/healthz", "", false).expect("let in");
    assert!(status == 200 && text.to_ascii_lowercase().contains("strict-transport-security: max-age=31536000"), "{text}");
    assert_eq!(shown, certificate("server.pem"));
    assert_eq!(get(&address, "/v1/alerts", "", false).expect("let in").0, 401);
    let token = "Authorization: Bearer a-token-of-sixteen-letters\r\n";
    assert_eq!(get(&address, "/v1/alerts", token, false).expect("let in").0, 200);
    // Whoever speaks no TLS gets nothing, and harms nobody.
    let mut plain = TcpStream::connect(&address).expect("it listens");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).ok();
    assert!(!answer.windows(4).any(|w| w == b"HTTP"), "{answer:?}");
    // Half of a pair is no pair: what was in force stays until the other half is there.
    fs::copy(fixture("renewed.pem"), place("now.pem")).expect("copied");
    assert_eq!(get(&address, "/healthz", "", false).expect("let in").2, certificate("server.pem"));
    install("renewed");
    wait("the renewed certificate", || {
        let (.., shown) = get(&address, "/healthz", "", false).expect("let in");
        (shown == certificate("renewed.pem")).then_some(())
    });
    assert_eq!(service.http("GET", "/healthz", b"").0, 200, "loopback stays as it was");
    service.stop();

    written(&format!("client_ca = {:?}\n", fixture("root.pem")));
    let service = Service::start(&data, &arguments);
    assert!(get(&address, "/healthz", "", false).is_none(), "no certificate was shown");
    assert_eq!(get(&address, "/healthz", "", true).expect("let in").0, 200);
    service.stop();

    // A pair that does not fit is said before anything runs.
    fs::copy(fixture("server.pem"), place("now.pem")).expect("copied");
    let mut command = filin(&["run"]);
    command.args(arguments).args(["--data", data.to_str().expect("plain")]);
    let said = String::from_utf8(ended(command, 2).stderr).expect("text");
    assert!(said.contains("http.tls.key") && said.contains("does not fit"), "{said}");
    let check = filin(&["check", "--security", "--config", arguments[1]]);
    let open = String::from_utf8(ended(check, 1).stdout).expect("text");
    assert!(open.contains("open: http.reader_token") && open.contains("open: backup") && !open.contains("http.listen"), "{open}");
}
