//! Streams: each by one name of its tenant, and known to whoever names it.

use super::Survey;
use crate::model::stream::{BULK, INBOUND, Stream, TRANSACTIONAL};
use std::collections::HashMap;

impl Survey<'_> {
    pub(super) fn streams_are_clear(&mut self) {
        let config = self.config;
        let mut seen = HashMap::new();
        for (i, stream) in config.stream.iter().enumerate() {
            let path = format!("stream[{i}].name");
            if let Some(first) = seen.insert((&stream.tenant, &stream.name), i) {
                let first = self.place(&format!("stream[{first}].name"));
                let message = format!("stream \"{}\" of tenant \"{}\" is there twice", stream.name, stream.tenant);
                self.error(&path, message, |finding| finding.label("again here").also(first, "first here"));
            }
            if stream.name.as_str() == INBOUND {
                let message = format!("\"{INBOUND}\" cannot be the name of a stream");
                self.error(&path, message, |finding| finding.label("this is what mail from the world is called"));
            }
            if Stream::built_in_kind(stream.name.as_str()).is_some_and(|kind| kind != stream.kind) {
                let message = format!("the stream \"{}\" is always {}", stream.name, stream.name);
                self.error(&format!("stream[{i}].kind"), message, |finding| finding.help("give it another name"));
            }
        }
        for (i, credential) in config.credential.iter().enumerate() {
            let Some(name) = &credential.stream else { continue };
            let own = || config.stream.iter().filter(|stream| stream.tenant == credential.tenant);
            let is_known = Stream::built_in_kind(name.as_str()).is_some() || own().any(|stream| stream.name == *name);
            if !is_known && self.source.is_whole("stream") {
                let known = [TRANSACTIONAL, BULK].into_iter().chain(own().map(|stream| stream.name.as_str()));
                self.error(&format!("credential[{i}].stream"), format!("unknown stream \"{name}\""), |finding| {
                    finding.label("no [[stream]] of its tenant has this name").suggest(name.as_str(), known)
                });
            }
        }
    }
}
