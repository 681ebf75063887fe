//! Templates on their way into memory: the folder's, read and checked with every configuration, and the store's,
//! read again when the directory's version moved. Where mail passes, nothing is read.

use crate::base::id::TemplateId;
use crate::base::limits;
use crate::base::shutdown::{Phase, Shutdown};
use crate::config::{Config, Origin};
use crate::content::template::{File, Folder, Handle, Kind, Library, Owned, Source, read_folder};
use crate::model::directory::Directory;
use crate::model::name::Name;
use crate::model::people::Template;
use crate::store::templates::{VersionRow, used};
use crate::store::{Change, Store};
use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder that is named; else the one beside the configuration, if it is there.
pub fn folder(config: &Config, origin: &Origin) -> Option<PathBuf> {
    let beside = || origin.path()?.parent().map(|folder| folder.join("templates")).filter(|folder| folder.is_dir());
    config.templates.directory.clone().or_else(beside)
}

/// All templates of the folder; or a line for everything that is wrong there.
pub fn read(config: &Config, origin: &Origin) -> Result<Vec<Source>, Vec<String>> {
    let Some(folder) = folder(config, origin) else { return Ok(Vec::new()) };
    let folders = folders(&folder).map_err(|why| vec![why])?;
    let (mut sources, mut mistakes) = (Vec::new(), Vec::new());
    for folder in &folders {
        match read_folder(folder) {
            Ok(source) => sources.push(source),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    if mistakes.is_empty()
        && let Err(wrong) = Library::build(sources.clone(), Vec::new())
    {
        mistakes = wrong;
    }
    match mistakes.as_slice() {
        [] => Ok(sources),
        _ => Err(mistakes.iter().take(limits::CONFIG_FINDINGS_MAX).map(|mistake| mistake.line_of_file()).collect()),
    }
}

fn folders(folder: &Path) -> Result<Vec<Folder>, String> {
    let mut found = Vec::new();
    for path in entries(folder, limits::TEMPLATES_MAX)? {
        // What lies beside the folders is somebody's notes.
        if path.is_dir() {
            found.push(Folder { name: name_of(&path), path: path.display().to_string(), files: files(&path)? });
        }
    }
    Ok(found)
}

fn files(folder: &Path) -> Result<Vec<File>, String> {
    let mut found = Vec::new();
    for path in entries(folder, limits::TEMPLATE_FILES_MAX)? {
        let shown = path.display().to_string();
        let text = text(&path).map_err(|why| format!("{shown}: error: {why}"))?;
        found.push(File { name: name_of(&path), path: shown, text });
    }
    Ok(found)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// In the order of their names, without hidden ones and what editors leave.
fn entries(folder: &Path, most: usize) -> Result<Vec<PathBuf>, String> {
    let cannot = |why: std::io::Error| format!("{}: error: the folder cannot be read: {why}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let name = name_of(&path);
        if !name.starts_with('.') && !name.ends_with('~') {
            paths.push(path);
        }
        if paths.len() > most {
            return Err(format!("{}: error: there are more than {most} entries in it", folder.display()));
        }
    }
    paths.sort();
    Ok(paths)
}

fn text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let most = limits::TEMPLATE_BYTES_MAX as u64;
    let file = fs::File::open(path).map_err(|why| format!("it cannot be read: {why}"))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err("it is no regular file".to_owned());
    }
    file.take(most + 1).read_to_end(&mut bytes).map_err(|why| format!("it cannot be read: {why}"))?;
    if bytes.len() as u64 > most {
        return Err(format!("it is longer than {most} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// What the store has of templates, as it was last read.
#[derive(Default)]
pub struct Rows {
    pub templates: Vec<Template>,
    pub versions: Vec<VersionRow>,
}

/// Files and rows as the library that mail is made by. What cannot be used is told and left out.
pub fn assemble(handle: &Handle, files: &[Source], rows: &Rows, directory: &Directory) {
    match Library::build(files.to_vec(), owned(rows, directory)) {
        Ok((library, troubles)) => {
            for trouble in troubles {
                tracing::warn!(tenant = %trouble.tenant, mistake = %trouble.mistake, "a template cannot be used");
            }
            handle.replace(library);
        }
        // They were built before, when the configuration was taken up.
        Err(mistakes) => tracing::error!(?mistakes, "the templates stay as they were"),
    }
}

fn owned(rows: &Rows, directory: &Directory) -> Vec<Owned> {
    let mut by_template: HashMap<&TemplateId, Vec<&VersionRow>> = HashMap::new();
    for version in &rows.versions {
        by_template.entry(&version.template).or_default().push(version);
    }
    let owned = rows.templates.iter().filter_map(|template| {
        let tenant = directory.tenant_named(&template.tenant)?.clone();
        let (Ok(name), Some(kind)) = (template.name.parse::<Name>(), Kind::of_word(&template.kind)) else {
            tracing::warn!(template = %template.id, "a template's row has no good name or kind");
            return None;
        };
        let versions = by_template.remove(&template.id).unwrap_or_default();
        let versions = sources(&name, kind, &versions);
        let active = template.active_version.and_then(|version| u32::try_from(version).ok());
        Some(Owned { tenant, id: template.id.clone(), name, kind, active, versions })
    });
    owned.collect()
}

/// Rows lie version by version.
fn sources(name: &Name, kind: Kind, rows: &[&VersionRow]) -> Vec<Source> {
    let versions = rows.chunk_by(|a, b| a.version == b.version);
    let read = versions.filter_map(|rows| {
        let texts: Vec<_> = rows.iter().map(|row| (row.locale.as_str(), row.content.as_str())).collect();
        let version = u32::try_from(rows[0].version).ok()?;
        match Source::of_rows(name.clone(), kind, version, &texts) {
            Ok(source) => Some(source),
            Err(why) => {
                tracing::warn!(template = %rows[0].template, version, why, "a template's version is damaged");
                None
            }
        }
    });
    read.collect()
}

/// Writes down how often templates were used, until the daemon drains; the drain writes the rest.
pub async fn keep_uses(handle: Arc<Handle>, store: Arc<Store>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => return,
            () = tokio::time::sleep(limits::TEMPLATE_USES_EVERY) => save_uses(&handle, &store).await,
        }
    }
}

pub async fn save_uses(handle: &Handle, store: &Store) {
    let uses = handle.take_uses();
    if uses.is_empty() {
        return;
    }
    let change = uses.iter().fold(Change::default(), |change, (id, count)| change.with(used(id, *count)));
    if let Err(error) = store.write(change).await {
        tracing::warn!(%error, "how often templates were used could not be written down; it is tried again");
        for (id, count) in uses {
            handle.count(&id, count);
        }
    }
}
