//! `gatepost check`: everything that `serve` would stumble over, without serving.
//!
//! One line per finding goes to standard output, for scripts; the same with the line of the file and a
//! caret goes to standard error, for people. Nothing is made or changed.

use super::{Failure, explain_on_stderr, wait};
use crate::base::settings::{Finding, Severity, Span};
use crate::certs::by_name::Named;
use crate::config::{Config, Environment, Loaded, Origin, explain};
use crate::daemon::{self, master_key, privilege};
use crate::dns::zone::Zone;
use crate::proof::PrivateKey;
use crate::store::inspect::{self, Found};
use crate::store::seal;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

pub fn run(origin: &Origin) -> Result<(), Failure> {
    let mut loaded = origin.load(&Environment::of_process());
    let mut seen = Vec::new();
    if let Some(config) = loaded.config.clone() {
        let mut findings = Vec::new();
        look_at_certificate(&config, &loaded, &mut findings, &mut seen);
        look_at_named_certificates(&config, &loaded, &mut findings, &mut seen);
        look_at_zone(&config, &loaded, &mut findings, &mut seen);
        look_at_templates(&config, origin, &loaded, &mut findings, &mut seen);
        look_at_dkim_keys(&config, &mut seen);
        look_at_identity(&config, &loaded, &mut findings);
        look_at_store(&config, &loaded, &mut findings, &mut seen)?;
        for finding in findings {
            loaded.add(finding);
        }
    }
    explain_on_stderr(&loaded);
    for line in explain::lines(&loaded) {
        println!("{line}");
    }
    let errors = loaded.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if errors > 0 {
        return Err(Failure::Configuration);
    }
    for line in seen {
        println!("{}: ok: {line}", loaded.source.name);
    }
    Ok(())
}

fn look_at_certificate(config: &Config, loaded: &Loaded, findings: &mut Vec<Finding>, seen: &mut Vec<String>) {
    if config.tls.certificate.is_none() {
        return seen.push("no certificate is named: a self-signed one is made at first start".to_owned());
    }
    match daemon::certificate_source(config).read() {
        Ok(_) => seen.push("the certificate and its key fit each other".to_owned()),
        Err(why) => {
            let at_fault = if config.tls.key.as_deref() == Some(why.path()) { "tls.key" } else { "tls.certificate" };
            findings.push(Finding::error(loaded.source.place(at_fault), why.to_string()));
        }
    }
}

/// Each must load, and a name that two of them carry is shown from the first.
fn look_at_named_certificates(config: &Config, loaded: &Loaded, findings: &mut Vec<Finding>, seen: &mut Vec<String>) {
    let mut carried: HashMap<String, Span> = HashMap::new();
    for (i, pair) in config.certificate.iter().enumerate() {
        let place = |key: &str| loaded.source.place(&format!("certificate[{i}].{key}"));
        let named = match Named::read(pair) {
            Ok(named) => named,
            Err(why) => {
                let at_fault = if pair.key == why.path() { "key" } else { "certificate" };
                findings.push(Finding::error(place(at_fault), why.to_string()));
                continue;
            }
        };
        seen.push(format!("{} is shown for {}", pair.certificate.display(), named.names.join(", ")));
        for name in named.names {
            match carried.entry(name) {
                Entry::Vacant(free) => drop(free.insert(place("certificate"))),
                Entry::Occupied(taken) => findings.push(
                    Finding::warning(
                        place("certificate"),
                        format!("an earlier certificate is for {} too", taken.key()),
                    )
                    .label("the first one is shown")
                    .also(*taken.get(), "this one"),
                ),
            }
        }
    }
}

fn look_at_zone(config: &Config, loaded: &Loaded, findings: &mut Vec<Finding>, seen: &mut Vec<String>) {
    let Some(file) = &config.dns.zone_file else { return };
    match Zone::load(file) {
        Ok(_) => seen.push(format!("{} answers instead of the DNS", file.display())),
        Err(bad) => {
            let place = loaded.source.place("dns.zone_file");
            findings.extend(bad.lines().map(|line| Finding::error(place, line)));
        }
    }
}

/// The folder's templates, compiled and tried with their examples as a daemon would.
fn look_at_templates(
    config: &Config,
    origin: &Origin,
    loaded: &Loaded,
    findings: &mut Vec<Finding>,
    seen: &mut Vec<String>,
) {
    let Some(folder) = daemon::templates_folder(config, origin) else { return };
    match daemon::read_templates(config, origin) {
        Ok(templates) => seen.push(format!("{} templates in {}", templates.len(), folder.display())),
        Err(lines) => {
            let named = loaded.source.is_given("templates.directory");
            let place = named.then(|| loaded.source.place("templates.directory"));
            findings.extend(lines.into_iter().map(|line| Finding::error(place, line)));
        }
    }
}

/// A configuration whose keys sign nothing is none: only the good ones come here.
fn look_at_dkim_keys(config: &Config, seen: &mut Vec<String>) {
    for (_, path) in dkim_key_files(config) {
        if let Ok(key) = PrivateKey::open(path) {
            seen.push(format!("{} holds a key that signs ({})", path.display(), key.algorithm()));
        }
    }
}

fn look_at_identity(config: &Config, loaded: &Loaded, findings: &mut Vec<Finding>) {
    let identity = match daemon::identity(&config.server) {
        Ok(Some(identity)) => identity,
        Ok(None) => return,
        Err(why) => {
            let place = if config.server.user.is_some() { "server.user" } else { "server.group" };
            return findings.push(Finding::error(loaded.source.place(place), why.to_string()));
        }
    };
    let itself = Path::new(&loaded.source.name);
    if !identity.can_read(itself) {
        findings.push(unreadable(None, itself, &identity));
    }
    let keys = key_files(config).into_iter().map(|(setting, path)| (loaded.source.place(&setting), path));
    let secrets = loaded.secret_files.iter().map(|(span, path)| (*span, path.as_path()));
    for (place, path) in keys.chain(secrets) {
        if !identity.can_read(path) {
            findings.push(unreadable(Some(place), path, &identity));
        }
    }
}

fn key_files(config: &Config) -> Vec<(String, &Path)> {
    let tls = [("tls.certificate", &config.tls.certificate), ("tls.key", &config.tls.key)];
    let tls = tls.into_iter().filter_map(|(setting, path)| Some((setting.to_owned(), path.as_deref()?)));
    let named = config.certificate.iter().enumerate().flat_map(|(i, pair)| {
        let at = |key: &str| format!("certificate[{i}].{key}");
        [(at("certificate"), pair.certificate.as_path()), (at("key"), pair.key.as_path())]
    });
    tls.chain(named).chain(dkim_key_files(config)).collect()
}

fn dkim_key_files(config: &Config) -> impl Iterator<Item = (String, &Path)> {
    config.domain.iter().enumerate().flat_map(|(d, domain)| {
        let keys = domain.dkim.iter().enumerate();
        keys.map(move |(k, key)| (format!("domain[{d}].dkim[{k}].key"), key.key.as_path()))
    })
}

fn unreadable(place: Option<Span>, path: &Path, identity: &privilege::Identity) -> Finding {
    let message = format!("the user {:?} cannot read {}", identity.name, path.display());
    Finding::warning(place, message)
        .help("give it to that user's group with mode 0640, or the next reload will miss it")
}

/// The store as it is, if it is there: reached, durable, of a version we know, and opened by our key.
fn look_at_store(
    config: &Config,
    loaded: &Loaded,
    findings: &mut Vec<Finding>,
    seen: &mut Vec<String>,
) -> Result<(), Failure> {
    let place = loaded.source.place("store.url");
    let location = daemon::store_location(config);
    let key_text = match master_key::read(config.server.master_key.as_ref(), &config.server.data_dir) {
        Ok(text) => text,
        Err(why) => {
            findings.push(Finding::error(loaded.source.place("server.data_dir"), why.to_string()));
            return Ok(());
        }
    };
    let key = match key_text.as_ref().map(|text| seal::parse_master_key(text.expose())).transpose() {
        Ok(key) => key,
        Err(why) => {
            findings.push(Finding::error(loaded.source.place("server.master_key"), why.to_string()));
            return Ok(());
        }
    };
    match wait(inspect::inspect(&location, key.as_ref()))? {
        Ok(Found::Nothing) => seen.push(format!("store {location} is not there yet: it is made at first start")),
        Ok(Found::Empty) => seen.push(format!("store {location} is reached and empty: it is set up at first start")),
        Ok(Found::Store { version, newest }) if version < newest => {
            seen.push(format!(
                "store {location} opens; it is upgraded from version {version} to {newest} at the next start"
            ));
        }
        Ok(Found::Store { version, .. }) => seen.push(format!("store {location} opens, version {version}")),
        Ok(Found::SealedByAnother) => findings.push(
            Finding::error(place, format!("store {location} was made under another master key"))
                .help("give the key that made it: server.master_key, or the file master.key in data_dir"),
        ),
        Err(why) => findings.push(Finding::error(place, format!("store {location}: {why}"))),
    }
    Ok(())
}
