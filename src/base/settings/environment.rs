//! What the machine says beside the file: environment variables and its own name, as values, so that
//! a test needs neither.

use std::collections::BTreeMap;

#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    machine_name: Option<String>,
}

impl Environment {
    /// The process's own environment. Variables that are not UTF-8 cannot be named in a file either.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Self { variables: variables.collect(), machine_name: machine_name() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn on_machine(mut self, name: &str) -> Self {
        self.machine_name = Some(name.to_owned());
        self
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub fn machine_name(&self) -> Option<&str> {
        self.machine_name.as_deref()
    }
}

// Variables are where container platforms put passwords.
impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment of {} variables on {:?}", self.variables.len(), self.machine_name)
    }
}

/// The machine's name: the kernel's, made full by /etc/hosts when it has no dot (`127.0.1.1
/// mail.example.com mail` is how Debian writes it).
fn machine_name() -> Option<String> {
    let read = |path| std::fs::read_to_string(path).ok().map(|text: String| text.trim().to_owned());
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).filter(|name| !name.is_empty())?;
    if name.contains('.') {
        return Some(name);
    }
    Some(full_name(&name, &read("/etc/hosts").unwrap_or_default()).unwrap_or(name))
}

fn full_name(name: &str, hosts: &str) -> Option<String> {
    let full = |host: &&str| host.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.flat_map(|line| line.split_whitespace().skip(1)).find(full).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_made_full_by_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 mail.old.example\n127.0.1.1 mail.example.com mail\n";
        assert_eq!(full_name("mail", hosts).as_deref(), Some("mail.example.com"));
        assert_eq!(full_name("ma", hosts), None);
    }

    #[test]
    fn the_environment_does_not_print_its_values() {
        let environment = Environment::default().with("PASSWORD", "hunter2");
        assert!(!format!("{environment:?}").contains("hunter2"));
    }
}
