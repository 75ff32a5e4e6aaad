//! What stands in `deploy/` and in the provisioning files agrees with the program and with itself. Nothing is started here.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use super::{Dashboard, list, path, text, word, yaml};
use crate::service::{ended, filin};

fn compose() -> Value {
    yaml("deploy/compose.yaml")
}

fn toml(name: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(&text(name)).unwrap_or_else(|e| panic!("{name}: {e}"))).expect("a value")
}

/// `host:container` of what is mounted or published, from the right.
fn halves(text: &str) -> (&str, &str) {
    let text = text.trim_end_matches(":ro");
    text.rsplit_once(':').unwrap_or_else(|| panic!("{text} has no colon"))
}

/// The value after `key=` of a list of arguments.
fn argument<'a>(service: &'a Value, key: &str) -> &'a str {
    list(service, "command").filter_map(Value::as_str).find_map(|a| a.strip_prefix(key)).unwrap_or_else(|| panic!("no {key}"))
}

/// Where a path of a container lies in the repository, by its mounts.
fn mounted(service: &Value, inside: &str) -> String {
    let mounts = list(service, "volumes").filter_map(Value::as_str).map(halves);
    let source = mounts.filter_map(|(from, to)| Some(format!("deploy/{from}{}", inside.strip_prefix(to)?))).next();
    source.unwrap_or_else(|| panic!("{inside} is not mounted"))
}

fn port(address: &str) -> u16 {
    address.rsplit(':').next().and_then(|p| p.trim_end_matches('/').parse().ok()).unwrap_or_else(|| panic!("{address} has no port"))
}

/// `filin check` takes a configuration with these variables; secrets' files lie elsewhere here.
fn checked(config: &str, variables: &BTreeMap<String, String>) {
    let root = tempfile::tempdir().expect("a folder");
    let token = root.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").expect("written");
    let here = Regex::new(r#"token_file = "[^"]+""#).expect("a pattern");
    let written = here.replace_all(&text(config), format!("token_file = {:?}", token.display().to_string())).into_owned();
    let file = root.path().join("filin.toml");
    std::fs::write(&file, written).expect("written");
    let mut command = filin(&["check", "--config", file.to_str().expect("a plain path")]);
    let value = |(name, value): (&String, &String)| {
        let value = if name.ends_with("_FILE") {
            token.display().to_string()
        } else {
            Regex::new(r"\$\{.*\}").expect("a pattern").replace(value, "a long enough secret of 40 letters and 2 digits").into_owned()
        };
        (name.clone(), value)
    };
    command.envs(variables.iter().map(value));
    ended(command, 0);
}

fn environment(service: &Value) -> BTreeMap<String, String> {
    let all = service["environment"].as_object().expect("variables");
    all.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_else(|| panic!("{name}: quote it")).to_owned())).collect()
}

#[test]
fn containers_fit_the_program_and_each_other() {
    let compose = compose();
    let services = compose["services"].as_object().expect("services");
    for (name, service) in services {
        for (from, _) in list(service, "volumes").filter_map(Value::as_str).map(halves) {
            let known = if from.starts_with('.') { path("deploy").join(from).exists() } else { compose["volumes"].get(from).is_some() };
            assert!(known, "{name}: {from} is mounted and is not there");
        }
        assert!(list(service, "depends_on").filter_map(Value::as_str).all(|other| services.contains_key(other)), "{name}");
        assert!(
            list(service, "ports").filter_map(Value::as_str).all(|p| p.starts_with("127.0.0.1:")),
            "{name}: published beyond this machine"
        );
    }
    // Filin: command line, configuration, ports, secrets, data.
    let container = text("deploy/Containerfile");
    let exposed: BTreeSet<u16> = container
        .lines()
        .filter_map(|l| l.strip_prefix("EXPOSE "))
        .flat_map(str::split_whitespace)
        .map(|p| p.parse().expect("a port"))
        .collect();
    for (name, config) in [("filin", "deploy/filin.toml"), ("filin-servers", "deploy/filin-servers.toml")] {
        let (service, written) = (&services[name], toml(config));
        let command: Vec<&str> = list(service, "command").filter_map(Value::as_str).collect();
        assert_eq!(command[..3], ["run", "--config", &format!("/etc/filin/{}", config.trim_start_matches("deploy/"))]);
        let listens = [&written["http"], &written["embedded"]].into_iter().map(|v| word(v, "listen")).filter(|a| !a.is_empty());
        let listens: BTreeSet<u16> = listens.map(port).collect();
        let published: BTreeSet<u16> = list(service, "ports").filter_map(Value::as_str).map(|p| port(halves(p).1)).collect();
        assert_eq!(published, listens, "{name}");
        assert!(listens.is_subset(&exposed), "{name}: {exposed:?}");
        for binding in list(&written, "bindings").filter(|b| b["topic"].is_null()) {
            let secret = word(binding, "token_file").strip_prefix("/run/secrets/").expect("a secret of the compose file");
            assert!(list(service, "secrets").any(|s| s == secret) && compose["secrets"].get(secret).is_some(), "{secret}");
        }
        checked(config, &environment(service));
    }
    assert_eq!(mounted(&services["filin-servers"], "/etc/filin/filin-servers.toml"), "deploy/./filin-servers.toml");
    assert!(container.contains("COPY deploy/filin.toml /etc/filin/filin.toml"));
    let data = toml("deploy/filin.toml");
    let data = word(&data["embedded"], "data");
    assert!(
        list(&services["filin"], "volumes").any(|v| v.as_str().is_some_and(|v| halves(v).1 == data))
            && container.contains(&format!("VOLUME {data}"))
    );
    // Servers that it names.
    let servers = toml("deploy/filin-servers.toml");
    let broker = servers["kafka"]["brokers"][0].as_str().expect("a broker");
    assert!(environment(&services["kafka"])["KAFKA_ADVERTISED_LISTENERS"].ends_with(&format!("//{broker}")));
    assert_eq!(word(&servers["clickhouse"], "url"), "http://clickhouse:8123");
    let clickhouse = environment(&services["clickhouse"]);
    assert_eq!(
        (clickhouse["CLICKHOUSE_USER"].as_str(), clickhouse["CLICKHOUSE_DB"].as_str()),
        (word(&servers["clickhouse"], "user"), word(&servers["clickhouse"], "database"))
    );
}

#[test]
fn the_image_is_small_and_has_no_rights() {
    let container = text("deploy/Containerfile");
    let stages: Vec<&str> = container.split("\nFROM ").collect();
    let last = stages.last().expect("a stage");
    assert!(stages.len() == 3 && last.contains("-slim\n"), "what builds does not run");
    let user = last.lines().find_map(|l| l.strip_prefix("USER ")).expect("a user");
    assert!(user.starts_with("10001:") && last.contains("--uid 10001"), "{user}");
    let library = last.lines().find_map(|l| l.strip_prefix("ENV FILIN_LIBCHDB=")).expect("the library");
    assert!(last.contains(&format!(" {library}\n")), "{library} is copied nowhere");
    let entry = last.lines().find_map(|l| l.strip_prefix("ENTRYPOINT ")).expect("an entry");
    assert_eq!(entry, "[\"/usr/bin/filin\"]");
    assert!(last.contains("/target/release/filin /usr/bin/filin\n"));
    let rust = regex::Regex::new(r"rust:([0-9.]+)").expect("a pattern").captures(&container).map(|c| c[1].to_owned());
    assert_eq!(rust.as_deref(), Some(env!("CARGO_PKG_RUST_VERSION")), "the image's compiler is the package's");
}

#[test]
fn prometheus_alertmanager_and_grafana_find_what_they_are_told() {
    let compose = compose();
    let services = compose["services"].as_object().expect("services");
    let reaches = |address: &str, wanted: u16| {
        let host = address.trim_start_matches("http://").rsplit_once(':').expect("a port").0;
        assert!(services.contains_key(host) && port(address) == wanted, "{address}");
    };
    let prometheus = yaml(&mounted(&services["prometheus"], argument(&services["prometheus"], "--config.file=")));
    for rules in list(&prometheus, "rule_files").filter_map(Value::as_str) {
        assert!(path("dashboards/prometheus").join(rules).exists(), "{rules}");
    }
    let scrape = &prometheus["scrape_configs"][0];
    assert_eq!(scrape["job_name"], "filin", "rules and dashboards look for it");
    reaches(scrape["static_configs"][0]["targets"][0].as_str().expect("a target"), 8687);
    reaches(prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"][0].as_str().expect("a target"), 9093);

    let alertmanager = yaml(&mounted(&services["alertmanager"], argument(&services["alertmanager"], "--config.file=")));
    let receivers: BTreeSet<&str> = list(&alertmanager, "receivers").map(|r| word(r, "name")).collect();
    let routes = list(&alertmanager["route"], "routes");
    assert!(routes.chain([&alertmanager["route"]]).all(|r| receivers.contains(word(r, "receiver"))));

    let grafana = &services["grafana"];
    let variables = environment(grafana);
    let sources = yaml("dashboards/provisioning/datasources/filin.yaml");
    let written = text("dashboards/provisioning/datasources/filin.yaml");
    for variable in Regex::new(r"\$\{(\w+)\}").expect("a pattern").captures_iter(&written) {
        assert!(variables.contains_key(&variable[1]), "Grafana is not told {}", &variable[1]);
    }
    let kinds: BTreeSet<&str> = list(&sources, "datasources").map(|s| word(s, "type")).collect();
    let dashboards = Dashboard::all();
    assert_eq!(kinds, dashboards.iter().map(Dashboard::source).collect());
    for source in list(&sources, "datasources") {
        match word(source, "type") {
            "prometheus" => reaches(word(source, "url"), 9090),
            _ => {
                let access = &source["jsonData"];
                assert_eq!((word(access, "protocol"), word(access, "defaultDatabase")), ("http", filin::store::embedded::DATABASE));
                assert_eq!(access["port"], port(word(&toml("deploy/filin.toml")["embedded"], "listen")));
                assert!(variables["FILIN_CLICKHOUSE_HOST"].ends_with(":-filin}"));
            }
        }
    }
    let provider = yaml("dashboards/provisioning/dashboards/filin.yaml");
    let folder = mounted(grafana, word(&provider["providers"][0]["options"], "path"));
    assert!(path(&folder).join("filin-overview.json").exists(), "{folder}");
    assert!(path(&mounted(grafana, "/etc/grafana/provisioning/datasources")).join("filin.yaml").exists());
    let panel = dashboards[0].panels().next().expect("a panel");
    let plugin = format!("grafana-clickhouse-datasource@{}", word(&panel["targets"][0], "pluginVersion"));
    assert_eq!(variables["GF_PLUGINS_PREINSTALL_SYNC"], plugin);
}

#[test]
fn the_unit_is_tight_and_names_what_exists() {
    let unit = text("deploy/filin.service");
    let all = |key: &str| -> Vec<&str> { unit.lines().filter_map(|l| l.strip_prefix(key)?.strip_prefix('=')).collect() };
    for line in [
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateDevices=yes",
        "CapabilityBoundingSet=",
        "UMask=0077",
    ] {
        assert!(unit.lines().any(|l| l == line), "{line}");
    }
    for start in [all("ExecStart"), all("ExecStartPre")].concat() {
        let words: Vec<&str> = start.split_whitespace().collect();
        assert_eq!((words[0], words[2], words[3]), ("/usr/bin/filin", "--config", "/etc/filin/filin.toml"));
        ended(filin(&[words[1], "--help"]), 0);
    }
    let variables: BTreeMap<String, String> =
        all("Environment").iter().filter_map(|v| v.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    assert_eq!(variables["FILIN_EMBEDDED__DATA"], format!("/var/lib/{}", all("StateDirectory")[0]));
    let library = &variables["FILIN_LIBCHDB"];
    assert!(text("deploy/Containerfile").contains(library) && text("deploy/README.md").contains(library));
    let handed: BTreeSet<&str> = all("LoadCredential").iter().filter_map(|c| c.split(':').next()).collect();
    let config = toml("deploy/filin-systemd.toml");
    let token = word(&config["bindings"][0], "token_file").strip_prefix("/run/credentials/filin.service/").expect("a credential");
    let password = variables["FILIN_EMBEDDED__READER_PASSWORD_FILE"].strip_prefix("%d/").expect("a credential");
    assert_eq!(handed, BTreeSet::from([token, password]));
    checked("deploy/filin-systemd.toml", &variables);
}
