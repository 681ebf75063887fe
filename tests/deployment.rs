//! The files that install Gatepost somewhere, read as their machines would read them: manifests whose
//! parts name each other, an image that is not root, units whose every option is explained, and the
//! test certificates.

use crate::source::root;
use std::path::{Path, PathBuf};
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

/// What SIGTERM gives to work in flight; whoever stops a node must wait longer.
const DRAIN_SECONDS: i64 = 30;

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn yaml(file: &str) -> Vec<Yaml> {
    let documents = YamlLoader::load_from_str(&read(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    assert!(!documents.is_empty(), "{file} is empty");
    documents
}

fn files_in(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let names = entries.map(|e| e.expect("a folder lists").file_name().to_string_lossy().into_owned());
    let mut files: Vec<String> =
        names.filter(|n| n.ends_with(ending)).map(|n| format!("{folder}/{n}").replace("./", "")).collect();
    files.sort();
    files
}

fn text<'a>(yaml: &'a Yaml, what: &str) -> &'a str {
    yaml.as_str().unwrap_or_else(|| panic!("{what} is {yaml:?}"))
}

fn list<'a>(yaml: &'a Yaml, what: &str) -> &'a [Yaml] {
    yaml.as_vec().unwrap_or_else(|| panic!("{what} is {yaml:?}"))
}

/// The ports that a configuration's listeners open.
fn bound_ports(toml: &str, what: &str) -> Vec<i64> {
    let settings: toml::Table = toml.parse().unwrap_or_else(|e| panic!("{what}: {e}"));
    let tables = ["listener", "http"].iter().filter_map(|kind| settings.get(*kind)?.as_array());
    let binds = tables.flatten().filter_map(|entry| entry.get("bind")?.as_array()).flatten();
    binds.filter_map(|bind| bind.as_str()?.rsplit_once(':')?.1.parse().ok()).collect()
}

// --- Kubernetes -----------------------------------------------------------------------------------

fn of_kind<'a>(documents: &'a [Yaml], kinds: &[&str]) -> Vec<&'a Yaml> {
    documents.iter().filter(|d| d["kind"].as_str().is_some_and(|k| kinds.contains(&k))).collect()
}

#[test]
fn manifests_name_what_is_there() {
    let files = files_in("kubernetes", ".yaml");
    assert_eq!(files, ["kubernetes/postgres.yaml", "kubernetes/sqlite.yaml"]);
    for file in &files {
        let documents = yaml(file);
        for document in &documents {
            for field in ["apiVersion", "kind"] {
                text(&document[field], &format!("{file}: {field}"));
            }
            text(&document["metadata"]["name"], &format!("{file}: a name"));
        }
        let workload = of_kind(&documents, &["StatefulSet", "Deployment"])[0];
        let pod = &workload["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        check_pod(file, workload, pod, container);
        check_volumes(file, &documents, workload, pod, container);
        check_ports(file, &documents, container);
    }
}

fn check_pod(file: &str, workload: &Yaml, pod: &Yaml, container: &Yaml) {
    let labels = &workload["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&workload["spec"]["selector"]["matchLabels"], labels, "{file}: the selector finds its pods");
    let grace = pod["terminationGracePeriodSeconds"].as_i64();
    assert!(grace.is_some_and(|s| s > DRAIN_SECONDS), "{file}: grace {grace:?} cuts the drain short");
    assert_eq!(pod["securityContext"]["runAsNonRoot"].as_bool(), Some(true), "{file}");
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"].as_bool(), Some(false), "{file}");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"].as_bool(), Some(true), "{file}");
    for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!((get["path"].as_str(), get["port"].as_i64()), (Some(path), Some(8025)), "{file}: {probe}");
    }
}

fn check_volumes(file: &str, documents: &[Yaml], workload: &Yaml, pod: &Yaml, container: &Yaml) {
    let mut volumes: Vec<&str> = list(&pod["volumes"], file).iter().filter_map(|v| v["name"].as_str()).collect();
    volumes.extend(
        workload["spec"]["volumeClaimTemplates"]
            .as_vec()
            .into_iter()
            .flatten()
            .filter_map(|claim| claim["metadata"]["name"].as_str()),
    );
    let mounts = list(&container["volumeMounts"], file);
    for mount in mounts {
        assert!(volumes.contains(&text(&mount["name"], file)), "{file}: {mount:?} mounts no volume");
    }
    let written: Vec<&str> = mounts
        .iter()
        .filter(|m| m["readOnly"].as_bool() != Some(true))
        .filter_map(|m| m["mountPath"].as_str())
        .collect();
    assert_eq!(written, ["/var/lib/gatepost", "/tmp"], "{file}: what may be written");
    // A file that the configuration names must be mounted.
    let settings = configuration(file, documents);
    for path in settings.split('"').filter(|word| word.starts_with("/run/")) {
        let folder = Path::new(path).parent().expect("a path in a folder").to_string_lossy().into_owned();
        assert!(mounts.iter().any(|m| m["mountPath"].as_str() == Some(&folder)), "{file}: {path} is mounted nowhere");
    }
}

fn configuration<'a>(file: &str, documents: &'a [Yaml]) -> &'a str {
    text(&of_kind(documents, &["ConfigMap"])[0]["data"]["gatepost.toml"], file)
}

fn check_ports(file: &str, documents: &[Yaml], container: &Yaml) {
    let ports = list(&container["ports"], file);
    let numbers: Vec<i64> = ports.iter().filter_map(|p| p["containerPort"].as_i64()).collect();
    let mut bound = bound_ports(configuration(file, documents), file);
    bound.sort_unstable();
    assert_eq!(numbers, bound, "{file}: the container's ports are what the configuration binds");
    for service in of_kind(documents, &["Service"]) {
        for port in list(&service["spec"]["ports"], file) {
            let target = text(&port["targetPort"], file);
            assert!(ports.iter().any(|p| p["name"].as_str() == Some(target)), "{file}: no port is called {target}");
        }
    }
}

// --- containers -----------------------------------------------------------------------------------

#[test]
fn compose_files_map_what_the_image_binds() {
    let bound = bound_ports(&read("conf/container.toml"), "conf/container.toml");
    let compose = &yaml("compose.yaml")[0];
    let service = &compose["services"]["gatepost"];
    let inside = list(&service["ports"], "ports").iter().map(|port| text(port, "a port").rsplit(':').next());
    let inside: Vec<i64> = inside.map(|port| port.and_then(|p| p.parse().ok()).expect("a port number")).collect();
    for port in &bound {
        assert!(inside.contains(port), "{port} is not mapped");
    }
    for (file, services) in [("compose.yaml", vec!["gatepost"]), ("compose.postgres.yaml", vec!["postgres"])] {
        let document = &yaml(file)[0];
        for name in services {
            let service = &document["services"][name];
            let grace = text(&service["stop_grace_period"], file).trim_end_matches('s').parse::<i64>();
            assert!(grace.is_ok_and(|s| s > DRAIN_SECONDS), "{file}: {name} is stopped before it has drained");
            for volume in list(&service["volumes"], file) {
                let source = text(volume, file).split(':').next().unwrap_or_default();
                assert!(!document["volumes"][source].is_badvalue(), "{file}: volume {source} is not declared");
            }
        }
    }
}

#[test]
fn the_image_is_small_fixed_and_not_root() {
    let containerfile = read("Containerfile");
    let lines: Vec<&str> = containerfile.lines().map(str::trim).collect();
    let stages: Vec<&str> = lines.iter().filter_map(|l| l.strip_prefix("FROM ")).collect();
    assert_eq!(stages.len(), 2, "a stage that builds and a stage that runs");
    for stage in &stages {
        assert!(stage.contains(':') && !stage.contains(":latest"), "{stage}: a tag that says what it is");
    }
    let user = lines.iter().rev().find_map(|l| l.strip_prefix("USER ")).expect("the image has a user");
    let uid: u32 = user.split(':').next().and_then(|u| u.parse().ok()).expect("a number, for runAsNonRoot");
    assert!(uid >= 1000, "{user}");
    for manifest in files_in("kubernetes", ".yaml") {
        assert!(read(&manifest).contains(&format!("runAsUser: {uid}")), "{manifest}: the image's user is {uid}");
    }
    let exposed = lines.iter().find_map(|l| l.strip_prefix("EXPOSE ")).expect("ports");
    let mut exposed: Vec<i64> = exposed.split(' ').map(|p| p.parse().expect("a port")).collect();
    let mut bound = bound_ports(&read("conf/container.toml"), "conf/container.toml");
    exposed.sort_unstable();
    bound.sort_unstable();
    assert_eq!(exposed, bound);
    for copied in lines.iter().filter_map(|l| l.strip_prefix("COPY --from=build ")) {
        for source in copied.split(' ').filter_map(|word| word.strip_prefix("/src/")) {
            assert!(root().join(source).exists(), "the image copies {source}");
        }
    }
}

// --- systemd ----------------------------------------------------------------------------------------

/// An admin reads the unit before trusting it: each group of options stands under a comment.
#[test]
fn every_option_of_the_units_is_explained() {
    for unit in ["systemd/gatepost.service", "systemd/gatepost-reload.conf", "systemd/gatepost-smtp.socket"] {
        let mut explained = false;
        for (i, line) in read(unit).lines().enumerate() {
            let name = line.split('=').next().unwrap_or_default();
            match line.chars().next() {
                Some('#') => explained = true,
                // A heading or a gap ends what a comment speaks of.
                None | Some('[') => explained = false,
                // These say themselves what they are.
                Some(_)
                    if matches!(name, "Description" | "Documentation" | "WantedBy" | "Service" | "ListenStream") => {}
                Some(_) => assert!(explained, "{unit}:{}: `{name}=` has no comment", i + 1),
            }
        }
    }
}

#[test]
fn the_service_waits_for_the_drain_and_stays_down_on_a_bad_configuration() {
    let unit = read("systemd/gatepost.service");
    let value = |name: &str| unit.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    assert!(value("TimeoutStopSec").parse::<i64>().is_ok_and(|s| s > DRAIN_SECONDS));
    assert_eq!(value("RestartPreventExitStatus"), "78");
    assert_eq!(value("ExecStart"), "/usr/bin/gatepost serve --config /etc/gatepost/gatepost.toml");
    let (user, state) = (value("User"), value("StateDirectory"));
    assert!(read("systemd/gatepost.sysusers.conf").contains(&format!("u {user} ")));
    assert!(read("systemd/gatepost.tmpfiles.conf").contains(&format!("/var/lib/{state} 0700 {user}")));
}

// --- certificates -----------------------------------------------------------------------------------

fn openssl(arguments: &[&str], folder: &Path) -> String {
    let done = Command::new("openssl").args(arguments).current_dir(folder).output();
    let done = done.unwrap_or_else(|e| panic!("this test needs the Debian package openssl: {e}"));
    assert!(done.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn check_certificates(folder: &Path) {
    openssl(&["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "test-ca.pem", "test-server.pem"], folder);
    for name in ["localhost", "mail.example.test"] {
        let said = openssl(&["x509", "-in", "test-server.pem", "-noout", "-checkhost", name], folder);
        assert!(said.contains("does match"), "{said}");
    }
    let subject = openssl(&["x509", "-in", "test-ca.pem", "-noout", "-subject"], folder);
    assert!(subject.contains("TEST ONLY, NOT SECRET"), "{subject}");
    let of = |file: &str, kind: &str| openssl(&[kind, "-in", file, "-pubout"], folder);
    let certificate = openssl(&["x509", "-in", "test-server.pem", "-noout", "-pubkey"], folder);
    assert_eq!(of("test-server.key", "pkey"), certificate, "the key is the certificate's");
}

#[test]
fn the_committed_test_certificates_hold() {
    check_certificates(&root().join("certs/test-only-not-secret"));
}

#[test]
fn the_script_makes_certificates_and_keeps_its_authority() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let make = || {
        let script = root().join("certs/make-dev-certs.sh");
        let done = Command::new("sh").arg(script).arg(folder.path()).output().expect("sh runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        check_certificates(folder.path());
        let read = |file: &str| std::fs::read(folder.path().join(file)).expect("the script made it");
        (read("test-ca.pem"), read("test-server.pem"))
    };
    let (first, second) = (make(), make());
    assert_eq!(first.0, second.0, "the authority that clients trust stays");
    assert_ne!(first.1, second.1, "the leaf is new");
    let left: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("a file").path()).collect();
    assert_eq!(left.len(), 4, "nothing but the four files is left: {left:?}");
}
