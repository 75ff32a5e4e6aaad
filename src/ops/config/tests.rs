use std::sync::LazyLock;

use super::*;

const FORMATS: &[&str] = &["canonical", "bitrix24", "asterisk-cdr"];
static CONTROLS: LazyLock<Vec<KnownControl<'static>>> = LazyLock::new(|| {
    vec![
        KnownControl { id: "bulk_export", switches: vec![], settings: vec!["top_records"] },
        KnownControl { id: "off_hours", switches: vec!["local"], settings: vec![] },
    ]
});

fn known() -> Known<'static> {
    Known {
        formats: FORMATS,
        controls: &CONTROLS,
        severities: &["low", "medium", "high", "critical"],
        check_binding: &|binding| match binding.get("extenions") {
            Some(_) => Err("unknown key extenions".to_owned()),
            None => Ok(()),
        },
        check_calendar: &|name| {
            if name == "ru" { vec![] } else { vec![format!("{name}: line 2: wrong"), format!("{name}: line 3: wrong")] }
        },
    }
}

fn read_all(toml: &str, environment: &[(&str, &str)], flags: &Flags) -> Result<Config, Mistakes> {
    let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    Config::read(toml, "filin.toml", environment.chain([("HOME".to_owned(), "/home/u".to_owned())]), flags, &known())
}

fn read(toml: &str) -> Result<Config, Mistakes> {
    read_all(toml, &[], &Flags::default())
}

/// The text is refused with exactly these paths.
fn refused(toml: &str, paths: &[&str]) -> Mistakes {
    let mistakes = read(toml).expect_err(toml);
    assert_eq!(mistakes.0.iter().map(|m| m.path.as_str()).collect::<Vec<_>>(), paths, "{mistakes}");
    mistakes
}

#[test]
fn nothing_given_is_a_working_configuration() {
    let config = read("").expect("defaults are right");
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8687");
    let Store::Embedded(embedded) = &config.store else { panic!("no server was given") };
    assert_eq!((embedded.listen.to_string().as_str(), embedded.memory_bytes), ("127.0.0.1:8123", 2 << 30));
    assert_eq!(config.data, PathBuf::from("/home/u/.local/share/filin"));
    let pipeline = Pipeline {
        lateness_h: 6,
        flush: Duration::from_millis(500),
        checkpoint: Duration::from_secs(30),
        buffer_events: 200_000,
        max_line_bytes: 16 << 20,
    };
    assert_eq!(config.pipeline, pipeline);
    assert_eq!(config.alerts.budget, Budget::Rate(1.0));
    assert!(config.kafka.is_none() && config.bindings.is_empty() && config.no_effect.is_empty());
    assert_eq!(config.roles.len(), 3);
    assert!(config.privacy.pseudonyms && !config.privacy.names_in_messages);
    assert!(config.backup.is_none());
}

#[test]
fn backups_go_to_two_places_with_a_key() {
    let two = "[backup]\nto = ['/mnt/a', '/mnt/b']\n";
    let config = read(&format!("{two}key = '0123456789abcdef0123456789abcdef'\n")).expect("right");
    let backup = config.backup.expect("it was asked for");
    assert_eq!((backup.to.len(), backup.every, backup.keep), (2, Duration::from_secs(86_400), 14));
    refused(two, &["backup.key_file"]);
    refused("[backup]\nto = ['/mnt/a', '/mnt/a']\nkey = '0123456789abcdef'\n", &["backup.to"]);
    refused("[backup]\nkey = '0123456789abcdef'\n", &["backup.to"]);
    refused(&format!("{two}key = 'short'\nkeep = 0\nevery = '1s'\n"), &["backup.every", "backup.keep", "backup.key"]);
}

#[test]
fn data_goes_where_xdg_says() {
    let data = |environment: &[(&str, &str)], flags: &Flags| read_all("", environment, flags).expect("right").data;
    let demo = Flags { demo: true, ..Flags::default() };
    assert_eq!(data(&[("XDG_DATA_HOME", "/srv")], &Flags::default()), PathBuf::from("/srv/filin"));
    assert_eq!(data(&[("XDG_DATA_HOME", "not/absolute")], &demo), PathBuf::from("/home/u/.local/share/filin-demo"));
    assert_eq!(data(&[], &Flags { data: Some("here".into()), ..demo }), std::env::current_dir().expect("a folder").join("here"));
}

#[test]
fn all_mistakes_come_at_once_with_their_paths() {
    let mistakes = refused(
        r#"
        colour = "red"
        [pipeline]
        flush_ms = "fast"
        checkpoint_s = 0
        lateness = "49h"
        max_line_bytes = "16MB"
        [kafka]
        brokers = ["a:9092", "b"]
        brokerz = "c"
        [[bindings]]
        topic = "crm"
        token = "0123456789abcdef"
        format = "canonical"
        [[bindings]]
        path = 3
        format = "canonical"
        [[bindings]]
        path = "events.jsonl"
        format = "canonica"
        time_zone = "Europe/Moskow"
        [tenants.acme]
        time_zone = "Mars"
        ip_allow = ["10.0.0.0/8", "10.0.0.0/33"]
        access = "everything"
        calendar = "days.csv"
        [alerts]
        budget = nan
        [controls.bulk_exprot]
        enabled = false
        [controls.off_hours]
        enabled = "no"
        [clickhouse]
        url = "clickhouse:8123"
        "#,
        &[
            "alerts.budget",
            "bindings[0]",
            "bindings[1].path",
            "bindings[2].format",
            "bindings[2].time_zone",
            "clickhouse.url",
            "colour",
            "controls.bulk_exprot",
            "controls.off_hours.enabled",
            "kafka.brokers[1]",
            "kafka.brokerz",
            "pipeline.checkpoint_s",
            "pipeline.flush_ms",
            "pipeline.lateness",
            "pipeline.max_line_bytes",
            "privacy.alias_key_file",
            "tenants.acme.access",
            "tenants.acme.calendar",
            "tenants.acme.calendar",
            "tenants.acme.ip_allow[1]",
            "tenants.acme.time_zone",
        ],
    );
    insta::assert_snapshot!(mistakes.to_string());
}

#[test]
fn environment_goes_over_the_file_and_flags_over_both() {
    let toml = "[pipeline]\nflush_ms = 100\n[alerts]\nbudget = 2\n[http]\nlisten = '127.0.0.1:1'\n";
    let environment = [
        ("FILIN_PIPELINE__FLUSH_MS", "200"),
        ("FILIN_HTTP__LISTEN", "127.0.0.1:2"),
        ("FILIN_KAFKA__BROKERS", "a:9092, b:9092"),
        ("FILIN_KAFKA__GROUP", "123"),
        ("FILIN_KAFKA__LIBRDKAFKA", "{ 'socket.timeout.ms' = 9, ssl.ca.location = 'ca.pem' }"),
        ("FILIN_TENANTS__ACME__IP_ALLOW", "['10.0.0.0/8', '::1']"),
        ("FILIN_BINDINGS", "[{ topic = 'crm', format = 'bitrix24', tenant = 'acme' }]"),
        ("FILIN_LOG", "debug"),
        ("OTHER__KEY", "x"),
    ];
    let flags = Flags {
        listen: Some("localhost:0".to_owned()),
        budget: Some(Budget::Weekly(5.0)),
        users: Some("u.csv".into()),
        ..Flags::default()
    };
    let config = read_all(toml, &environment, &flags).expect("right");
    assert_eq!(config.pipeline.flush, Duration::from_millis(200));
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:0");
    assert_eq!(config.alerts.budget, Budget::Weekly(5.0));
    let kafka = config.kafka.expect("brokers were given");
    assert_eq!((kafka.brokers, kafka.group.as_str()), (vec!["a:9092".to_owned(), "b:9092".to_owned()], "123"));
    assert_eq!(
        kafka.librdkafka.iter().map(|(k, v)| (k.as_str(), v.expose())).collect::<Vec<_>>(),
        [("socket.timeout.ms", "9"), ("ssl.ca.location", "ca.pem")]
    );
    assert_eq!(config.tenants["acme"].ip_allow.len(), 2);
    assert_eq!(config.bindings[0].from, Source::Topic("crm".to_owned()));
    assert_eq!(config.reference.users, Some(Place::File("u.csv".into())));
}

#[test]
fn a_mistake_names_the_variable_or_flag_that_made_it() {
    let environment = [("FILIN_PIPELINE__FLUSH_MS", "soon"), ("FILIN_NO__SUCH", "1"), ("FILIN_ALERTS__", "1")];
    let flags = Flags { listen: Some("nowhere".to_owned()), budget: Some(Budget::Rate(-1.0)), ..Flags::default() };
    let mistakes = read_all("", &environment, &flags).expect_err("wrong");
    assert_eq!(
        mistakes.0.iter().map(|m| m.path.as_str()).collect::<Vec<_>>(),
        [
            "FILIN_ALERTS__",
            "alerts.budget (by --budget)",
            "http.listen (by --listen)",
            "no",
            "pipeline.flush_ms (by FILIN_PIPELINE__FLUSH_MS)",
        ]
    );
}

#[test]
fn librdkafka_properties_are_passed_in_any_spelling() {
    let config = read("[kafka]\nbrokers = 'a:1'\n'librdkafka.security.protocol' = 'ssl'\nlibrdkafka.check.crcs = true\n").expect("right");
    let kafka = config.kafka.expect("brokers");
    assert_eq!(kafka.librdkafka.keys().collect::<Vec<_>>(), ["check.crcs", "security.protocol"]);
    refused("[kafka]\nlibrdkafka = 3\n", &["kafka.librdkafka"]);
}

#[test]
fn secrets_come_from_files_and_do_not_show() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("token");
    std::fs::write(&file, "file-token-file-token\n").expect("written");
    let config = read(&format!(
        "[[bindings]]\ntoken_file = '{0}'\nformat = 'canonical'\n[clickhouse]\nurl = 'http://h:8123'\npassword = 'server-password'\n\
         [privacy]\nalias_key = 'alias-key-alias-key'\n[alerts]\nwebhook = 'https://h/hook-secret'\n\
         [kafka]\nbrokers = 'a:1'\nlibrdkafka.'sasl.password_file' = '{0}'\n",
        file.display()
    ))
    .expect("right");
    assert!(config.tokens().next().is_some_and(|(token, _)| token.is(b"file-token-file-token")));
    assert_eq!(config.kafka.as_ref().expect("brokers").librdkafka["sasl.password"].expose(), "file-token-file-token");
    let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("JSON"));
    for secret in ["file-token", "server-password", "alias-key-alias", "hook-secret"] {
        assert!(!shown.contains(secret), "{secret} shows");
    }
    refused("[clickhouse]\npassword = 'a'\npassword_file = 'b'\n", &["clickhouse.password"]);
    refused("[alerts]\nwebhook = { secret = 'a secret of the webhook' }\n", &["alerts.webhook.url"]);
    refused("[alerts]\nwebhook = { url = 'https://h', secert = 'x' }\n", &["alerts.webhook.secert"]);
    refused("[alerts]\nwebhook = { url = 'https://h', secret = 'short' }\n", &["alerts.webhook.secret"]);
    refused("[alerts]\nwebhook = 'ftp://h'\nwebhook_file = '/f'\n", &["alerts.webhook"]);
    let table = format!("[alerts]\nwebhook = {{ url = 'https://h/hook', secret_file = '{}' }}\n", file.display());
    let webhook = read(&table).expect("right").alerts.webhook.expect("one");
    assert_eq!((webhook.url.expose(), webhook.secret.expect("a secret").expose()), ("https://h/hook", "file-token-file-token"));
    refused("[embedded]\nreader_password_file = '/no/such/file'\n", &["embedded.reader_password_file"]);
}

#[test]
fn mistakes_do_not_repeat_secrets() {
    for toml in [
        "[clickhouse]\npassword = 'hunter2\n",
        "[clickhouse]\npassword = ['hunter2']\n",
        "[[bindings]]\nformat='canonical'\ntoken = 'hunter2'\n",
    ] {
        let mistakes = read(toml).expect_err(toml);
        assert!(!mistakes.to_string().contains("hunter2"), "{mistakes}");
    }
    assert_eq!(read("[a]\n\n  x = = 1\n").expect_err("no TOML").0[0].path, "filin.toml:3");
}

#[test]
fn accounts_are_known_by_hashes() {
    let hash = "0123456789abcdef".repeat(4);
    let toml = format!(
        "[[access]]\nname = 'vera'\nrole = 'supervisor'\ntenant = 'acme'\nuser = 'u-9'\ntoken_sha256 = ['{0}', '{1}']\nexpires = 2026-12-31\n\
         [[access]]\nname = 'otto'\nrole = 'auditor'\ntoken_sha256 = '{2}'\n",
        hash.to_uppercase(),
        hash.replace('0', "f"),
        hash.replace('0', "e")
    );
    let config = read(&toml).expect("right");
    let vera = &config.access[0];
    assert_eq!(
        (vera.name.as_str(), vera.role, vera.tenant.as_deref(), vera.user.as_deref()),
        ("vera", Duty::Supervisor, Some("acme"), Some("u-9"))
    );
    assert_eq!(vera.token_sha256[0].expose(), hash, "in lower case");
    assert_eq!((vera.token_sha256.len(), vera.expires), (2, Some(Timestamp::parse("2026-12-31").expect("a date"))));
    assert!(!serde_json::to_string(&config).expect("JSON").contains("89abcdef"), "hashes are not printed");
    assert_eq!(config.access[1].role, Duty::Auditor);

    let environment = format!("[{{ name = 'ana', role = 'analyst', token_sha256 = '{hash}' }}]");
    assert_eq!(read_all("", &[("FILIN_ACCESS", &environment)], &Flags::default()).expect("right").access[0].name, "ana");

    refused("[[access]]\n", &["access[0].name", "access[0].role", "access[0].token_sha256"]);
    let one = |rest: &str| format!("[[access]]\nname = 'a'\ntoken_sha256 = '{hash}'\n{rest}\n");
    refused(&one("role = 'boss'"), &["access[0].role"]);
    refused(&one("role = 'supervisor'"), &["access[0].tenant", "access[0].user"]);
    refused(&one("role = 'analyst'\nexpires = 'soon'"), &["access[0].expires"]);
    refused(&one("role = 'analyst'\ntoken = 'x'"), &["access[0].token"]);
    refused(&(one("role = 'analyst'") + &one("role = 'admin'")), &["access[1].name", "access[1].token_sha256"]);
    let mistakes = refused("[[access]]\nname = 'a'\nrole = 'admin'\ntoken_sha256 = 'the-token-itself'\n", &["access[0].token_sha256"]);
    assert!(!mistakes.to_string().contains("the-token-itself"), "{mistakes}");
}

#[test]
fn what_does_not_go_together_is_refused() {
    refused("[[bindings]]\ntopic = 'crm'\nformat = 'canonical'\n", &["bindings[0].topic"]);
    refused("[reference]\nusers = 'topic:users'\n", &["reference.users"]);
    refused("[http]\nlisten = '0.0.0.0:8687'\n", &["http.listen"]);
    refused("[embedded]\nlisten = '0.0.0.0:8123'\n", &["embedded.listen"]);
    refused("[clickhouse]\nurl = 'http://h:8123'\n", &["privacy.alias_key_file"]);
    refused("[kafka]\nbrokers = 'a:1'\n[[bindings]]\ntopic = 'filin.log'\nformat = 'canonical'\n", &["kafka.log_topic"]);
    refused("[[bindings]]\npath = 'a'\nformat = 'canonical'\n[[bindings]]\npath = 'a'\nformat = 'bitrix24'\n", &["bindings[1]"]);
    refused("[[bindings]]\npath = 'a'\nformat = 'asterisk-cdr'\nextenions = {}\n", &["bindings[0]"]);
    refused("[pipeline]\nlateness = '90m'\n", &["pipeline.lateness"]);
    refused("[tenants.'a b']\nlateness = '1h'\n", &["tenants.a b"]);
    let flags = Flags { roles: vec!["score".to_owned()], ..Flags::default() };
    assert_eq!(read_all("", &[], &flags).expect_err("no servers").0[0].path, "--role");
    read("[http]\nlisten = '0.0.0.0:0'\n[[bindings]]\ntoken = '0123456789abcdef'\nformat = 'canonical'\n").expect("a token guards it");
}

#[test]
fn what_does_nothing_yet_is_told() {
    let config = read(
        "[tenants.acme]\naccess = 'own'\ncalendar = 'ru'\nlateness = '12h'\nunits = { north = ['a'] }\n[geo]\ndatabase = 'x.mmdb'\n[controls.bulk_export]\nfloor = 50\n[controls.off_hours]\nlocal = false\n",
    );
    let config = config.expect("right");
    assert_eq!(config.no_effect, ["tenants.acme.units", "controls.bulk_export.floor", "geo.database"]);
    assert_eq!(config.controls["off_hours"].switches, BTreeMap::from([("local".to_owned(), false)]));
    refused("[controls.off_hours]\nlocal = 'sometimes'\n", &["controls.off_hours.local"]);
    assert_eq!(config.tenants["acme"].calendar.as_deref(), Some("ru"));
    assert_eq!((config.tenants["acme"].access, config.tenants["acme"].lateness_h), (Some(Access::Own), Some(12)));
    let config = read("[controls.bulk_export]\ntop_records = 5000\n").expect("right");
    assert_eq!(config.controls["bulk_export"].settings, BTreeMap::from([("top_records".to_owned(), 5000.0)]));
    refused("[controls.bulk_export]\ntop_records = -1\n", &["controls.bulk_export.top_records"]);
}

#[test]
fn rules_of_the_users_are_read_from_their_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &[u8]| std::fs::write(dir.path().join(name), text).expect("writable");
    put("b.yml", b"title: B");
    put("a.YAML", b"not checked here");
    put("README.md", b"x");
    std::fs::create_dir(dir.path().join("deeper.yml")).expect("writable");
    let toml = format!("[sigma]\nrules = '{}'\n", dir.path().display());
    let sigma = read(&toml).expect("right").sigma;
    let texts: Vec<(&str, &str)> = sigma.texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(texts, [("a.YAML", "not checked here"), ("b.yml", "title: B")]);
    assert_eq!(sigma.rules.as_deref(), Some(dir.path()));
    assert!(!serde_json::to_string(&sigma).expect("JSON").contains("title"), "texts are not printed");
    put("c.yml", &[0xff]);
    assert!(refused(&toml, &["sigma.rules"]).to_string().contains("c.yml"));
    put("c.yml", &vec![b' '; 512 << 10]);
    assert!(refused(&toml, &["sigma.rules"]).to_string().contains("larger than 512 KiB"));
    refused("[sigma]\nrules = '/nowhere/at/all'\n", &["sigma.rules"]);
    refused("[sigma]\nfolder = 'x'\n", &["sigma.folder"]);
    assert_eq!(read("").expect("right").sigma, Sigma::default());
}

#[test]
fn a_binding_speaks_to_its_adapter() {
    let config = read(
        "[[bindings]]\npath = 'cdr.csv'\nformat = 'asterisk-cdr'\ncountry = 'RU'\ninternal_number = '^1'\nextensions = { 101 = 'u-17' }\n",
    );
    let expected = serde_json::json!({
        "tenant": "default", "format": "asterisk-cdr", "country": "RU", "internal_number": "^1", "extensions": {"101": "u-17"}
    });
    assert_eq!(config.expect("right").bindings[0].for_adapter(), expected);
}

#[test]
fn an_encrypted_listener_has_certificate_and_key() {
    refused("[http.tls]\nlisten = '127.0.0.1:1'", &["http.tls.certificate", "http.tls.key"]);
    refused("[http.tls]\nlisten = '0.0.0.0:1'\ncertificate = 'c'\nkey = 'k'", &["http.tls.listen"]);
    let tls = read("[http.tls]\ncertificate = 'c'\nkey = 'k'").expect("right").http.tls.expect("given");
    assert_eq!((tls.listen.to_string().as_str(), tls.client_ca), ("127.0.0.1:8688", None));
}

#[test]
fn people_come_in_by_log_in_or_proxy_where_that_is_safe() {
    let vera = "[[access]]\nname = 'vera'\nrole = 'analyst'\n";
    let http = read(&format!("{vera}[http.login]\nenabled = true\nidle = '10m'\n")).expect("right, without a token").http;
    assert_eq!(http.login, Some(Login { idle: Duration::from_secs(600), longest: Duration::from_secs(12 * 3600) }));
    assert!(read("").expect("right").http.login.is_none(), "off unless somebody wants it");
    refused(vera, &["access[0].token_sha256"]);
    refused("[http.login]\nenabled = true\n", &["http.login.enabled"]);
    refused(&format!("{vera}[http.login]\nenabled = true\nidle = '2h'\nlongest = '1h'\n"), &["http.login.longest"]);
    let pushed = "[[bindings]]\ntoken = 'a-token-of-sixteen-letters'\nformat = 'canonical'\n";
    refused(&format!("{vera}{pushed}[http]\nlisten = '0.0.0.0:8687'\n[http.login]\nenabled = true\n"), &["http.login.enabled"]);
    let proxy = |text: &str| format!("{vera}[http.proxy]\n{text}\n");
    let http = read(&proxy("header = 'X-Forwarded-User'\nfrom = '10.0.0.7, fd00::/64'")).expect("right").http;
    let proxy_of = http.proxy.expect("given");
    assert_eq!(proxy_of.header.as_deref(), Some("x-forwarded-user"));
    assert!(proxy_of.is("10.0.0.7".parse().expect("one")) && proxy_of.is("::ffff:10.0.0.7".parse().expect("one")));
    assert!(!proxy_of.is("10.0.0.8".parse().expect("one")));
    refused(&proxy("header = 'X-User'"), &["http.proxy.from"]);
    refused(&proxy("header = 'Cookie'\nfrom = '10.0.0.7'"), &["http.proxy.header"]);
    refused(&proxy("header = 'X User'\nfrom = '10.0.0.7'"), &["http.proxy.header"]);
    refused(&proxy("header = 'X-User'\nfrom = '0.0.0.0/0'"), &["http.proxy.from[0]"]);
    refused("[http.proxy]\nheader = 'X-User'\nfrom = '10.0.0.7'\n", &["http.proxy.header"]);
}

#[test]
fn what_is_open_is_named_and_closing_it_ends_that() {
    let found = |toml: &str| weaknesses(&read(toml).expect(toml)).into_iter().map(|w| w.path).collect::<Vec<_>>();
    let far = "[kafka]\nbrokers = ['k1.example:9092']\n";
    let base = found("");
    assert_eq!(base, ["access", "backup"]);
    let more = |toml: &str| found(toml).into_iter().filter(|p| !base.contains(p)).collect::<Vec<_>>();
    assert_eq!(more(far), ["kafka.librdkafka", "kafka.librdkafka"]);
    assert_eq!(more("[kafka]\nbrokers = ['localhost:9092', '127.0.0.1:9093', '[::1]:9094']\n"), [""; 0]);
    let with = |properties: &str| more(&format!("{far}librdkafka = {{ {properties} }}\n"));
    assert_eq!(with("'security.protocol' = 'SASL_SSL'"), [""; 0]);
    assert_eq!(with("'security.protocol' = 'ssl'"), ["kafka.librdkafka"], "who asks is not known");
    assert_eq!(with("'security.protocol' = 'ssl', 'ssl.certificate.location' = 'c.pem'"), [""; 0]);
    assert_eq!(with("'security.protocol' = 'sasl_plaintext'"), ["kafka.librdkafka"]);
    assert_eq!(with("'security.protocol' = 'sasl_ssl', 'enable.ssl.certificate.verification' = 'false'"), ["kafka.librdkafka"]);
    assert_eq!(with("'security.protocol' = 'sasl_ssl', 'ssl.endpoint.identification.algorithm' = 'none'"), ["kafka.librdkafka"]);
    assert_eq!(more("[http]\nreader_token = 'a-token-of-sixteen-letters'\n"), ["http.reader_token"]);
    let pushed = "[[bindings]]\ntoken = 'a-token-of-sixteen-letters'\nformat = 'canonical'\n";
    assert_eq!(more(&format!("{pushed}[http]\nlisten = '0.0.0.0:8687'\n")), ["http.listen", "http.login"]);
    let alerts = |line: &str| more(&format!("[alerts]\n{line}\n"));
    assert_eq!(alerts("alertmanager = ['http://am.example:9093', 'http://127.0.0.1:9093', 'https://am.example']"), ["alerts.alertmanager"]);
    assert_eq!(alerts("webhook = 'http://localhost@soc.example/x'"), ["alerts.webhook", "alerts.webhook.secret"]);
    let account =
        |expires: &str| more(&format!("[[access]]\nname = 'vera'\nrole = 'analyst'\ntoken_sha256 = ['{}']\n{expires}\n", "3f".repeat(32)));
    assert_eq!((account(""), account("expires = 2027-06-30")), (vec!["access.vera".to_owned()], vec![]));
}
