//! What is said about a message whose links were rewritten, or were not.

use crate::base::limits;

/// Something that a sender who looks for a link, or for opens, should know. Parts are counted from 1, with those
/// that hold others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    Untouched {
        part: usize,
        why: Doubt,
    },
    /// RFC 1847, RFC 8551, RFC 4880: it is signed or encrypted.
    Sealed {
        part: usize,
    },
    /// A pixel was wanted.
    NoPixel {
        why: NoPixel,
    },
    /// The HTML is longer now than Gmail shows.
    Clipped {
        part: usize,
    },
    /// A link was rewritten by another service before.
    UpstreamTracker {
        service: &'static str,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPixel {
    Sealed,
    NoHtml,
    /// There is one already: the message was rewritten before.
    There,
    /// The HTML ends in a comment, a tag or a script.
    NoPlace,
    NoToken,
}

/// Why a part was left as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    HeaderLineEnd,
    HeaderNotEnded,
    TwoTypes,
    TwoEncodings,
    EncodedMultipart,
    NoParts,
    TooManyParts,
    TooDeep,
    UnknownEncoding,
    BrokenEncoding,
    Charset,
    Lines,
    Digest,
    Foreign,
    TooManyLinks,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (depth, parts, links) = (limits::MIME_DEPTH_MAX, limits::MIME_PARTS_MAX, limits::LINKS_MAX);
        f.write_str(match self {
            Self::HeaderLineEnd => "its header has a bare CR or LF",
            Self::HeaderNotEnded => "its header does not end with an empty line",
            Self::TwoTypes => "it states its Content-Type in two ways",
            Self::TwoEncodings => "it states its Content-Transfer-Encoding in two ways",
            Self::EncodedMultipart => "it is a multipart and says that it is encoded itself",
            Self::NoParts => "it is a multipart without parts between the boundaries that it names",
            Self::TooManyParts => return write!(f, "the message has more than {parts} parts"),
            Self::TooDeep => return write!(f, "its parts are nested more than {depth} deep"),
            Self::UnknownEncoding => "it is in an encoding that nobody knows",
            Self::BrokenEncoding => "it is not in the encoding that it says",
            Self::Charset => "its bytes are not ASCII where they look like it (UTF-16, ISO-2022 and others)",
            Self::Lines => "it says in two ways how its lines flow",
            Self::Digest => "it carries a digest of its bytes (Content-MD5)",
            Self::Foreign => "what is text and what are tags in its SVG or MathML is read in two ways",
            Self::TooManyLinks => return write!(f, "the message has more than {links} links"),
        })
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Untouched { part, why } => write!(f, "part {part} was left as it was: {why}"),
            Self::Sealed { part } => write!(f, "part {part} was left as it was: it is signed or encrypted"),
            Self::NoPixel { why } => write!(f, "no pixel was put in: {why}"),
            Self::Clipped { part } => write!(
                f,
                "the HTML of part {part} has more than {} bytes now, and Gmail will cut it off there",
                limits::HTML_CLIP_BYTES
            ),
            Self::UpstreamTracker { service } => {
                write!(f, "links were rewritten by {service} before: switch one of the two off")
            }
        }
    }
}

impl std::fmt::Display for NoPixel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sealed => "a part of the message is signed or encrypted",
            Self::NoHtml => "there is no HTML that could be changed",
            Self::There => "there is one already",
            Self::NoPlace => "the HTML ends in a comment, a tag or a script",
            Self::NoToken => "no token could be made for it",
        })
    }
}
