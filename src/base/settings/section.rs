//! The description of a table of settings, and the macro that makes it together with the struct.

use super::value::Value;

/// What a change of a setting needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A reload.
    Live,
    /// A restart.
    Restart,
}

/// What can stand at a setting.
pub enum Shape {
    Scalar {
        expects: &'static str,
        words: &'static [&'static str],
    },
    Secret,
    List(&'static Shape),
    Table(&'static Table),
    /// Read by its own rules.
    Own {
        expects: &'static str,
    },
}

/// Where a value comes from when the file has none, and what an example looks like (in the file's
/// own notation).
pub enum Given {
    Required { example: &'static str },
    Optional { example: &'static str },
    Default { text: fn() -> Option<String>, example: Option<&'static str> },
    Found { whence: &'static str, example: &'static str },
    Section,
}

pub struct Field {
    pub name: &'static str,
    /// The lines of its doc comment.
    pub doc: &'static [&'static str],
    pub change: Change,
    pub shape: Shape,
    pub given: Given,
    /// The smallest and the largest value, when it is bounded.
    pub bounds: Option<fn() -> (String, String)>,
}

pub struct Table {
    /// As an admin knows it: `[server]`, `[[relay]]`, or a name in words.
    pub header: &'static str,
    pub doc: &'static [&'static str],
    pub fields: &'static [Field],
}

impl Table {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// `[[relay]]`, when it is one of many; else how its key takes a list.
    pub fn list_header(&self) -> String {
        if self.header.starts_with("[[") { self.header.to_owned() } else { "[{ … }]".to_owned() }
    }
}

impl Shape {
    /// One line, or a list of such, without a secret.
    pub fn is_plain(&self) -> bool {
        match self {
            Self::Scalar { .. } => true,
            Self::List(of) => of.is_plain(),
            _ => false,
        }
    }

    /// The table at or in this, through lists.
    pub fn table(&self) -> Option<&'static Table> {
        match self {
            Self::Table(table) => Some(table),
            Self::List(of) => of.table(),
            _ => None,
        }
    }
}

/// Keeps the paths of changed settings readable: no dot before the first word.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The key of a field: `match` is a word of the language, so its field is written `r#match`.
pub const fn key(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Text of the two ends of a range, for its description.
pub fn ends<T: Value>(range: &std::ops::RangeInclusive<T>) -> (String, String) {
    (range.start().write().unwrap_or_default(), range.end().write().unwrap_or_default())
}

/// Describes a table and makes its struct. Each field is
/// `live|restart name: Type = given [within a..=b],` where `given` is one of
/// `required("example")`, `optional("example")` (for an `Option`), `default(value)`,
/// `default(value, "example")`, `found(function, "whence", "example")`, `section()`.
macro_rules! settings {
    (@change live) => { $crate::base::settings::Change::Live };
    (@change restart) => { $crate::base::settings::Change::Restart };

    (@given $ty:ty, required($example:expr)) => { $crate::base::settings::Given::Required { example: $example } };
    (@given $ty:ty, optional($example:expr)) => { $crate::base::settings::Given::Optional { example: $example } };
    (@given $ty:ty, default($value:expr)) => {
        $crate::base::settings::Given::Default {
            text: || <$ty as $crate::base::settings::Value>::write(&$value),
            example: None,
        }
    };
    (@given $ty:ty, default($value:expr, $example:expr)) => {
        $crate::base::settings::Given::Default {
            text: || <$ty as $crate::base::settings::Value>::write(&$value),
            example: Some($example),
        }
    };
    (@given $ty:ty, found($find:path, $whence:expr, $example:expr)) => {
        $crate::base::settings::Given::Found { whence: $whence, example: $example }
    };
    (@given $ty:ty, section()) => { $crate::base::settings::Given::Section };

    (@read $open:ident $reader:ident $name:expr, required($example:expr)) => { $open.required($name, $reader) };
    (@read $open:ident $reader:ident $name:expr, optional($example:expr)) => {
        Some($open.given($name, $reader).unwrap_or(None))
    };
    (@read $open:ident $reader:ident $name:expr, default($value:expr $(, $example:expr)?)) => {
        Some($open.given($name, $reader).unwrap_or_else(|| $value))
    };
    (@read $open:ident $reader:ident $name:expr, found($find:path, $whence:expr, $example:expr)) => {
        Some($open.found($name, $reader, $find))
    };
    (@read $open:ident $reader:ident $name:expr, section()) => { $open.section($name, $reader) };

    (@bounds $ty:ty) => { None };
    (@bounds $ty:ty, $range:expr) => { Some(|| $crate::base::settings::section_ends::<$ty>(&$range)) };

    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident in $header:literal {
            $(
                $(#[doc = $field_doc:literal])*
                $change:ident $field:ident: $ty:ty = $given:ident($($arg:tt)*) $(within $range:expr)?,
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $ty,)*
        }

        impl $name {
            /// What an admin may write here, and what it means.
            pub const TABLE: $crate::base::settings::Table = $crate::base::settings::Table {
                header: $header,
                doc: &[$($doc),*],
                fields: &[$(
                    $crate::base::settings::Field {
                        name: $crate::base::settings::section_key(stringify!($field)),
                        doc: &[$($field_doc),*],
                        change: settings!(@change $change),
                        shape: <$ty as $crate::base::settings::Value>::SHAPE,
                        given: settings!(@given $ty, $given($($arg)*)),
                        bounds: settings!(@bounds $ty $(, $range)?),
                    },
                )*],
            };
        }

        impl $crate::base::settings::Value for $name {
            const SHAPE: $crate::base::settings::Shape = $crate::base::settings::Shape::Table(&Self::TABLE);

            fn read(
                node: &$crate::base::settings::Node,
                reader: &mut $crate::base::settings::Reader<'_>,
            ) -> Option<Self> {
                let open = reader.open(node, &Self::TABLE)?;
                // All fields first, then the verdict: every mistake is reported.
                $(
                    let $field: Option<$ty> =
                        settings!(@read open reader $crate::base::settings::section_key(stringify!($field)), $given($($arg)*));
                    $(
                        if let Some(value) = &$field {
                            open.check_within($crate::base::settings::section_key(stringify!($field)), value, $range, reader);
                        }
                    )?
                )*
                Some(Self { $($field: $field?,)* })
            }

            fn write(&self) -> Option<String> {
                None
            }

            fn show(&self, path: &str, shown: &mut Vec<(String, String)>) {
                $(
                    let path_of_field = $crate::base::settings::section_join(path, $crate::base::settings::section_key(stringify!($field)));
                    $crate::base::settings::Value::show(&self.$field, &path_of_field, shown);
                )*
            }

            fn restart_changes(&self, old: &Self, path: &str, changes: &mut Vec<String>) {
                $({
                    let path = $crate::base::settings::section_join(path, $crate::base::settings::section_key(stringify!($field)));
                    match settings!(@change $change) {
                        $crate::base::settings::Change::Live => {
                            $crate::base::settings::Value::restart_changes(&self.$field, &old.$field, &path, changes)
                        }
                        $crate::base::settings::Change::Restart if self.$field != old.$field => changes.push(path),
                        $crate::base::settings::Change::Restart => {}
                    }
                })*
            }

            fn keep_restart_values(&mut self, old: &Self) {
                $(
                    match settings!(@change $change) {
                        $crate::base::settings::Change::Live => {
                            $crate::base::settings::Value::keep_restart_values(&mut self.$field, &old.$field)
                        }
                        $crate::base::settings::Change::Restart => self.$field = old.$field.clone(),
                    }
                )*
            }
        }
    };
}

pub(crate) use settings;
