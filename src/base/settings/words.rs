//! Settings that take one word of a fixed list, as enums.

/// An enum whose variants are the words of a setting:
/// `words! { /// … pub enum Log { /// … Text = "text", Json = "json" } }`.
macro_rules! words {
    ($(#[doc = $doc:literal])* pub enum $name:ident { $($(#[doc = $word_doc:literal])* $variant:ident = $word:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $word_doc])* $variant,)*
        }

        impl $name {
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl $crate::base::settings::Scalar for $name {
            const EXPECTS: &'static str = "one of";
            const WORDS: &'static [&'static str] = Self::WORDS;

            fn parse(text: &str) -> Result<Self, $crate::base::settings::Wrong> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err($crate::base::settings::Wrong::word(text, Self::WORDS)),
                }
            }

            fn write(&self) -> String {
                $crate::base::settings::quoted(self.as_str())
            }
        }
    };
}

pub(crate) use words;
