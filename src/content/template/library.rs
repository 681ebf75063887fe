//! All templates of a node, compiled: those of files, which everybody may use, and each organisation's own. It
//! never changes: a reload builds another one and swaps it in.

use super::filters;
use super::judge::{self, Judged};
use super::locale::Locale;
use super::mistake::Mistake;
use super::source::{Kind, Piece, Source, Text};
use crate::base::id::TemplateId;
use crate::base::limits;
use crate::base::name::Name;
use crate::base::settings::nearest;
use arc_swap::{ArcSwap, Guard};
use minijinja::Environment;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a template was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File,
    Store(TemplateId),
}

/// A template of the store, with those of its versions that are kept ready.
#[derive(Clone, Debug)]
pub struct Owned {
    pub tenant: Name,
    pub id: TemplateId,
    pub name: Name,
    pub kind: Kind,
    pub active: Option<u32>,
    pub versions: Vec<Source>,
}

/// What is left out of the library, or stands in it and cannot be used: a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub tenant: Name,
    pub mistake: Mistake,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub name: Name,
    pub kind: Kind,
    pub origin: Origin,
    pub active: Option<u32>,
    versions: BTreeMap<u32, Version>,
}

impl Entry {
    /// The source of one version; of the active one when none is named.
    pub fn source(&self, version: Option<u32>) -> Option<&Source> {
        self.versions.get(&version.or(self.active)?).map(|version| &*version.source)
    }

    /// Why the active version cannot be used.
    pub fn broken(&self) -> Option<&Mistake> {
        self.versions.get(&self.active?).and_then(|version| version.broken.as_ref())
    }
}

#[derive(Clone, Debug)]
struct Version {
    source: Arc<Source>,
    /// What each text says, by its key.
    judged: Arc<HashMap<String, Judged>>,
    broken: Option<Mistake>,
}

/// Where a text came from.
#[derive(Clone, Debug)]
struct Origins {
    label: String,
    place: String,
    above: usize,
}

/// What one organisation can use.
#[derive(Clone)]
pub(super) struct Shelf {
    pub environment: Environment<'static>,
    entries: BTreeMap<Name, Entry>,
    /// The keys of all texts in the engine.
    keys: Arc<HashSet<String>>,
    places: HashMap<String, Origins>,
}

/// `welcome@2:de:html`; what others name has no version: `header::text`.
fn key(name: &str, locale: Option<&str>, piece: &str) -> String {
    format!("{name}:{}:{piece}", locale.unwrap_or_default())
}

pub(super) fn key_of(source: &Source, locale: Option<&Locale>, piece: Piece) -> String {
    let name = match source.kind {
        Kind::Email => source.label(),
        Kind::Layout | Kind::Partial => source.name.to_string(),
    };
    key(&name, locale.map(Locale::as_str), piece.word())
}

/// The text that another one means by a name: of its own kind, in its own language or the next to it.
fn meant(keys: &HashSet<String>, name: &str, parent: &str) -> Option<String> {
    let mut parts = parent.rsplitn(3, ':');
    let (piece, locale) = (parts.next()?, parts.next()?);
    let piece = if piece == Piece::Html.word() { piece } else { Piece::Text.word() };
    let mut locale = Some(locale);
    while let Some(this) = locale {
        let found = key(name, Some(this), piece);
        if keys.contains(&found) {
            return Some(found);
        }
        locale = match this.rsplit_once('-') {
            Some((shorter, _)) => Some(shorter),
            None if this.is_empty() => None,
            None => Some(""),
        };
    }
    None
}

impl Shelf {
    fn empty() -> Self {
        Self {
            environment: filters::environment(),
            entries: BTreeMap::new(),
            keys: Arc::default(),
            places: HashMap::new(),
        }
    }

    /// Puts a version in, compiled; with what is wrong with it by itself.
    fn enter(&mut self, source: Source, origin: &Origin, active: Option<u32>) -> Option<Mistake> {
        let is_active = active == Some(source.version);
        let (mut judged, mut broken) = (HashMap::new(), None);
        // Of what others name there is one version: the active one.
        if source.kind == Kind::Email || is_active {
            for (locale, content) in &source.contents {
                for piece in Piece::ALL {
                    let Some(text) = content.piece(piece) else { continue };
                    let key = key_of(&source, locale.as_ref(), piece);
                    match self.compile(&source, &key, piece, text) {
                        Ok(found) => drop(judged.insert(key, found)),
                        Err(mistake) => broken = broken.or(Some(mistake)),
                    }
                }
            }
        }
        let entry = self.entries.entry(source.name.clone()).or_insert_with(|| Entry {
            name: source.name.clone(),
            kind: source.kind,
            origin: origin.clone(),
            active,
            versions: BTreeMap::new(),
        });
        (entry.active, entry.kind) = (active, source.kind);
        let version = Version { judged: Arc::new(judged), broken: broken.clone(), source: Arc::new(source) };
        entry.versions.insert(version.source.version, version);
        broken
    }

    fn compile(&mut self, source: &Source, key: &str, piece: Piece, text: &Text) -> Result<Judged, Mistake> {
        let place = text.file.clone().unwrap_or_else(|| piece.word().to_owned());
        let at = |line: usize| Some(line + text.above);
        let mistake = |fault: judge::Fault| Mistake::new(source.label(), fault.why).at(place.clone(), at(fault.line));
        let prepared = judge::prepared(&text.text).map_err(mistake)?;
        let judged = judge::judge(&prepared).map_err(mistake)?;
        if let Some(extends) = judged.references.iter().find(|reference| reference.extends)
            && matches!(piece, Piece::Subject | Piece::Preheader)
        {
            return Err(Mistake::new(source.label(), "a subject or preheader extends nothing")
                .at(place.clone(), at(extends.line)));
        }
        let added = self.environment.add_template_owned(key.to_owned(), prepared.into_owned());
        added.map_err(|error| mistake(judge::syntax(&error)))?;
        Arc::make_mut(&mut self.keys).insert(key.to_owned());
        self.places.insert(key.to_owned(), Origins { label: source.label(), place: place.clone(), above: text.above });
        Ok(judged)
    }

    /// When all are in: do they name what is there? Gives what is broken now.
    fn settle(&mut self) -> Vec<Mistake> {
        let keys = self.keys.clone();
        self.environment.set_path_join_callback(move |name, parent| {
            meant(&keys, name, parent).map_or(Cow::Borrowed(name), Cow::Owned)
        });
        let mut found = Vec::new();
        let names: Vec<Name> = self.entries.keys().cloned().collect();
        for name in names {
            let versions: Vec<u32> = self.entries[&name].versions.keys().copied().collect();
            for number in versions {
                let version = &self.entries[&name].versions[&number];
                let broken = version.broken.clone().or_else(|| self.check(version).err());
                found.extend(broken.clone());
                if let Some(version) = self.entries.get_mut(&name).and_then(|entry| entry.versions.get_mut(&number)) {
                    version.broken = broken;
                }
            }
        }
        found
    }

    fn check(&self, version: &Version) -> Result<(), Mistake> {
        let source = &version.source;
        for (key, judged) in &*version.judged {
            self.check_references(source, key, judged)?;
            self.check_variables(source, key, judged)?;
        }
        self.check_examples(version)
    }

    fn at(&self, source: &Source, key: &str, line: usize, why: String) -> Mistake {
        let mistake = Mistake::new(source.label(), why);
        match self.places.get(key) {
            Some(place) => mistake.at(place.place.clone(), Some(line + place.above)),
            None => mistake,
        }
    }

    fn check_references(&self, source: &Source, key: &str, judged: &Judged) -> Result<(), Mistake> {
        for reference in &judged.references {
            let kind = if reference.extends { Kind::Layout } else { Kind::Partial };
            let name = &reference.name;
            let of_kind = |entry: &&Entry| entry.kind == kind;
            let found = name.parse::<Name>().ok().and_then(|name| self.entries.get(&name)).filter(of_kind);
            let is_there = found.is_some() && meant(&self.keys, name, key).is_some();
            if is_there || reference.may_be_missing {
                continue;
            }
            let names = self.entries.values().filter(of_kind).map(|entry| entry.name.as_str());
            let why = match (found, nearest(name, names.clone())) {
                (Some(_), _) if key.ends_with(":html") => format!("{} \"{name}\" has no HTML", kind.word()),
                (Some(_), _) => format!("{} \"{name}\" has no text", kind.word()),
                (None, Some(near)) => format!("there is no {} \"{name}\"; did you mean \"{near}\"?", kind.word()),
                (None, None) => format!("there is no {} \"{name}\"", kind.word()),
            };
            return Err(self.at(source, key, reference.line, why));
        }
        Ok(())
    }

    /// A template that declares variables declares all that it uses.
    fn check_variables(&self, source: &Source, key: &str, judged: &Judged) -> Result<(), Mistake> {
        if source.variables.is_empty() || source.kind != Kind::Email {
            return Ok(());
        }
        for (name, line) in &judged.variables {
            let is_declared = source.variables.iter().any(|variable| variable.name == *name);
            if is_declared || super::variables::OURS.contains(&name.as_str()) {
                continue;
            }
            let near = nearest(name, source.variables.iter().map(|variable| variable.name.as_str()));
            let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            let why = format!("variable \"{name}\" is not declared{hint}");
            return Err(self.at(source, key, *line, why).about(name));
        }
        Ok(())
    }

    /// With an example for everything it needs, it is rendered once before any mail is.
    fn check_examples(&self, version: &Version) -> Result<(), Mistake> {
        let source = &version.source;
        let has_examples = source
            .variables
            .iter()
            .all(|variable| variable.optional || variable.default.is_some() || variable.example.is_some());
        if source.kind != Kind::Email || source.variables.is_empty() || !has_examples {
            return Ok(());
        }
        let template = Template { shelf: self, source, judged: &version.judged, id: None };
        template.render_examples()
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        name.parse::<Name>().ok().and_then(|name| self.entries.get(&name))
    }

    /// Where an error of the engine stands, in words of whoever wrote it.
    pub fn place(&self, key: &str, line: Option<usize>) -> (Option<String>, Option<(String, Option<usize>)>) {
        match self.places.get(key) {
            Some(Origins { label, place, above }) => {
                (Some(label.clone()), Some((place.clone(), line.map(|line| line + above))))
            }
            None => (None, None),
        }
    }

    /// Does this text, or one that it names, use a variable?
    pub fn uses(&self, key: &str, judged: &Judged, name: &str, depth: usize) -> bool {
        if judged.variables.iter().any(|(used, _)| used == name) {
            return true;
        }
        depth < limits::TEMPLATE_DEPTH_MAX
            && judged.references.iter().any(|reference| {
                let Some(there) = meant(&self.keys, &reference.name, key) else { return false };
                let version = self.entry(&reference.name).and_then(|entry| entry.versions.get(&entry.active?));
                let judged = version.and_then(|version| version.judged.get(&there));
                judged.is_some_and(|judged| self.uses(&there, judged, name, depth + 1))
            })
    }
}

/// One version of a template, ready to be rendered.
#[derive(Clone, Copy)]
pub struct Template<'a> {
    pub(super) shelf: &'a Shelf,
    pub(super) source: &'a Source,
    pub(super) judged: &'a HashMap<String, Judged>,
    pub(super) id: Option<&'a TemplateId>,
}

impl Template<'_> {
    pub fn source(&self) -> &Source {
        self.source
    }

    /// Its row, when it has one: where its uses are counted.
    pub fn id(&self) -> Option<&TemplateId> {
        self.id
    }
}

/// There is no such template, or none that mail is made of.
pub type Unknown = Mistake;

pub struct Library {
    files: Arc<Shelf>,
    /// Of those that have templates of their own; the files' stand in each.
    tenants: HashMap<Name, Arc<Shelf>>,
}

impl Default for Library {
    fn default() -> Self {
        Self { files: Arc::new(Shelf::empty()), tenants: HashMap::new() }
    }
}

impl Library {
    /// One mistake in a file and there is no library; one in the store, and that template cannot be used.
    pub fn build(files: Vec<Source>, owned: Vec<Owned>) -> Result<(Self, Vec<Trouble>), Vec<Mistake>> {
        let mut shelf = Shelf::empty();
        for source in files {
            let version = source.version;
            shelf.enter(source, &Origin::File, Some(version));
        }
        let mistakes = shelf.settle();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let (files, mut tenants, mut troubles) = (Arc::new(shelf), HashMap::new(), Vec::new());
        for template in owned {
            let shelf: &mut Shelf = tenants.entry(template.tenant.clone()).or_insert_with(|| (*files).clone());
            let is_taken = shelf.entries.get(&template.name).is_some_and(|entry| entry.origin == Origin::File);
            if is_taken {
                let mistake =
                    Mistake::new(template.name.as_str(), "a template of this name is a file: the file's is used");
                troubles.push(Trouble { tenant: template.tenant, mistake });
                continue;
            }
            let origin = Origin::Store(template.id);
            for source in template.versions {
                shelf.enter(source, &origin, template.active);
            }
        }
        let settled = tenants.into_iter().map(|(tenant, mut shelf)| {
            let broken = shelf.settle().into_iter();
            troubles.extend(broken.map(|mistake| Trouble { tenant: tenant.clone(), mistake }));
            (tenant, Arc::new(shelf))
        });
        let tenants = settled.collect();
        Ok((Self { files, tenants }, troubles))
    }

    pub(super) fn shelf(&self, tenant: &Name) -> &Shelf {
        self.tenants.get(tenant).unwrap_or(&self.files)
    }

    /// The active version, or the one that is named.
    pub fn find(&self, tenant: &Name, name: &Name, version: Option<u32>) -> Result<Template<'_>, Unknown> {
        let shelf = self.shelf(tenant);
        let emails = || shelf.entries.values().filter(|entry| entry.kind == Kind::Email);
        let Some(entry) = shelf.entries.get(name) else {
            let near = nearest(name.as_str(), emails().map(|entry| entry.name.as_str()));
            let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            return Err(Mistake::new(name.as_str(), format!("there is no such template{hint}")));
        };
        if entry.kind != Kind::Email {
            return Err(Mistake::new(
                name.as_str(),
                format!("it is a {}, and no mail is made of it", entry.kind.word()),
            ));
        }
        let Some(number) = version.or(entry.active) else {
            return Err(Mistake::new(name.as_str(), "it has no active version"));
        };
        let Some(version) = entry.versions.get(&number) else {
            let has = entry.versions.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Mistake::new(name.as_str(), format!("it has no version {number} that is ready; it has {has}")));
        };
        if let Some(mistake) = &version.broken {
            return Err(mistake.clone());
        }
        let id = match &entry.origin {
            Origin::File => None,
            Origin::Store(id) => Some(id),
        };
        Ok(Template { shelf, source: &version.source, judged: &version.judged, id })
    }

    pub fn entry(&self, tenant: &Name, name: &Name) -> Option<&Entry> {
        self.shelf(tenant).entries.get(name)
    }

    /// The templates of files, by name.
    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        self.files.entries.values()
    }

    /// This library as it would be with another version active: what is wrong then that is not wrong now, with
    /// that template or with others that name it.
    pub fn with(&self, tenant: &Name, source: Source) -> Result<Self, Vec<Mistake>> {
        let mut shelf = self.shelf(tenant).clone();
        let before: HashSet<_> =
            shelf.entries.values().filter(|e| e.broken().is_some()).map(|e| e.name.clone()).collect();
        let (name, version) = (source.name.clone(), source.version);
        let origin = shelf.entries.get(&name).map_or(Origin::File, |entry| entry.origin.clone());
        shelf.forget(&name);
        shelf.enter(source, &origin, Some(version));
        let broken = shelf.settle();
        let names_old =
            |mistake: &Mistake| before.iter().any(|old| mistake.template.split('@').next() == Some(old.as_str()));
        let of_it = |mistake: &Mistake| mistake.template.split('@').next() == Some(name.as_str());
        let new: Vec<_> = broken.into_iter().filter(|mistake| of_it(mistake) || !names_old(mistake)).collect();
        if !new.is_empty() {
            return Err(new);
        }
        Ok(Self { files: self.files.clone(), tenants: [(tenant.clone(), Arc::new(shelf))].into() })
    }

    /// Those of an organisation's templates that would not work without this one.
    pub fn needing(&self, tenant: &Name, name: &Name) -> Vec<Mistake> {
        let mut shelf = self.shelf(tenant).clone();
        let before = shelf.settle();
        shelf.forget(name);
        shelf.settle().into_iter().filter(|mistake| !before.contains(mistake)).collect()
    }
}

impl Shelf {
    fn forget(&mut self, name: &Name) {
        let Some(entry) = self.entries.remove(name) else { return };
        for version in entry.versions.values() {
            for key in version.judged.keys() {
                self.environment.remove_template(key);
                Arc::make_mut(&mut self.keys).remove(key);
                self.places.remove(key);
            }
        }
        // What is broken by what is gone is found anew.
        for entry in self.entries.values_mut() {
            for version in entry.versions.values_mut().filter(|version| !version.judged.is_empty()) {
                version.broken = None;
            }
        }
    }
}

/// How often templates were used since it was last written down.
pub type Uses = HashMap<TemplateId, u64>;

/// The one library of a daemon, read by everybody without a lock, replaced whole; and the count of uses.
#[derive(Default)]
pub struct Handle {
    library: ArcSwap<Library>,
    uses: Mutex<Uses>,
}

impl Handle {
    pub fn new(library: Library) -> Self {
        Self { library: ArcSwap::from_pointee(library), uses: Mutex::default() }
    }

    pub fn load(&self) -> Guard<Arc<Library>> {
        self.library.load()
    }

    pub fn load_full(&self) -> Arc<Library> {
        self.library.load_full()
    }

    pub fn replace(&self, library: Library) {
        self.library.store(Arc::new(library));
    }

    /// Messages were made of this one.
    pub fn count(&self, id: &TemplateId, messages: u64) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        *uses.entry(id.clone()).or_default() += messages;
    }

    /// What was counted, to be written down; what could not be is counted again.
    pub fn take_uses(&self) -> Uses {
        std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
