//! A mail server that follows a script, in the notation of the stories in `tests/transcripts`. Lines of the
//! client that follow each other have to come before anything is answered: what is not pipelined hangs there,
//! and the test with it.

use rustls::ServerConfig;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// Plays the script to its end, then waits until the client is gone. Panics when the client says anything else.
///
/// Beside `C:`, `S:`, `S|`, `TLS`, `C closes` and `S closes`: `C* text` is a line that begins so, `C message`
/// everything up to the final dot, and with `S hangs` nothing is read or said any more.
pub async fn play(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, script: &str, tls: &Arc<ServerConfig>) {
    let mut stream: Box<dyn Both> = Box::new(stream);
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("S: ") {
            stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        } else if let Some(text) = line.strip_prefix("S| ") {
            let bytes = text.replace("\\r", "\r").replace("\\n", "\n");
            // A client that has gone does not hear the rest.
            if stream.write_all(bytes.as_bytes()).await.is_err() {
                return;
            }
        } else if let Some(text) = line.strip_prefix("C* ") {
            let said = read_line(&mut stream).await;
            assert!(said.starts_with(text), "{text} was awaited, and {said} came");
        } else if line == "C message" {
            while read_line(&mut stream).await != "." {}
        } else if let Some(text) = line.strip_prefix("C:") {
            assert_eq!(read_line(&mut stream).await, text.trim_start_matches(' '));
        } else if line == "TLS" {
            let Ok(secure) = TlsAcceptor::from(tls.clone()).accept(stream).await else { return };
            stream = Box::new(secure);
        } else if line == "S closes" {
            let _ = stream.shutdown().await;
            return;
        } else if line == "S hangs" {
            std::future::pending::<()>().await;
        } else if line == "C closes" {
            let mut rest = Vec::new();
            // In TLS a client may go without a word.
            let _ = stream.read_to_end(&mut rest).await;
            assert_eq!(String::from_utf8_lossy(&rest), "");
            return;
        } else {
            panic!("what is {line}?");
        }
    }
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Byte by byte, so that nothing behind it is taken.
async fn read_line(stream: &mut Box<dyn Both>) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        match stream.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(why) => panic!("{why} behind {:?}", String::from_utf8_lossy(&line)),
        }
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).unwrap()
}
