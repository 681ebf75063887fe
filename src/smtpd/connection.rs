//! One connection from greeting to goodbye: it moves bytes between the socket and `line`/`answer`,
//! within deadlines, and knows when to stop. What is said is decided there, not here.

use super::answer::{Answerer, Channel, Then};
use super::happenings::{CommandAnswered, ConnectionClosed, ConnectionOpened, End, PlaintextDropped};
use super::listener::Door;
use super::settings::Tls;
use super::starttls::shake_hands;
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::shutdown::Phase;
use crate::net::listen::Visit;
use crate::smtp::line::Lines;
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Serves one client until it or we have had enough.
pub(super) async fn serve(stream: TcpStream, door: Arc<Door>, tls: Arc<ServerConfig>, visit: Visit) {
    let started = Instant::now();
    let word = door.word();
    ConnectionOpened { door: word, peer: visit.peer }.record();
    let channel = match door.tls {
        Tls::Starttls => Channel::PlainOfferingTls,
        Tls::Implicit => Channel::Tls,
        Tls::None => Channel::Plain,
    };
    let mut answerer = Answerer::new(door.hostname.clone(), channel);
    let end = talk(stream, channel, tls, &mut answerer, &visit).await;
    let (commands, errors) = (answerer.commands(), answerer.errors());
    ConnectionClosed { door: word, peer: visit.peer, commands, errors, after: started.elapsed(), end }.record();
}

async fn talk(
    mut stream: TcpStream,
    channel: Channel,
    tls: Arc<ServerConfig>,
    answerer: &mut Answerer,
    visit: &Visit,
) -> End {
    let mut greeting = Vec::new();
    answerer.greet(&mut greeting);
    if channel != Channel::Tls {
        match converse(&mut stream, greeting, answerer, visit).await {
            Ended::StartTls => greeting = Vec::new(),
            Ended::Over(end) => return part(&mut stream, end).await,
        }
        answerer.forget_all_for_tls();
    }
    let Some(mut stream) = shake_hands(stream, tls).await else { return End::NoTls };
    match converse(&mut stream, greeting, answerer, visit).await {
        // Inside TLS the answerer refuses STARTTLS, so this conversation ends in one way only.
        Ended::StartTls => part(&mut stream, End::NoTls).await,
        Ended::Over(end) => part(&mut stream, end).await,
    }
}

/// How one channel's conversation ended.
enum Ended {
    StartTls,
    Over(End),
}

/// Speaks first, then answers all that comes until it is over. All commands of one packet are
/// answered in one write (RFC 2920 3.2).
async fn converse<S>(stream: &mut S, greeting: Vec<u8>, answerer: &mut Answerer, visit: &Visit) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut lines, mut out) = (Lines::default(), greeting);
    let mut deadline = Instant::now() + limits::COMMAND_MAX;
    loop {
        let then = answer_all(&mut lines, answerer, &mut out);
        if !out.is_empty() {
            if let Err(why) = flush(stream, &mut out).await {
                return Ended::Over(End::Io(why));
            }
            // One deadline for the whole of the next command: a byte now and then does not move it.
            deadline = Instant::now() + limits::COMMAND_MAX;
        }
        match then {
            Then::Listen => {}
            Then::Close(why) => return Ended::Over(End::Closed(why)),
            Then::StartTls => {
                // RFC 3207 4.2: what came in the clear behind STARTTLS may be anybody's.
                let bytes = lines.discard();
                if bytes > 0 {
                    PlaintextDropped { bytes }.record();
                }
                return Ended::StartTls;
            }
        }
        if let Err(end) = hear(stream, &mut lines, deadline, visit).await {
            say_last_word(stream, &end, answerer).await;
            return Ended::Over(end);
        }
    }
}

fn answer_all(lines: &mut Lines, answerer: &mut Answerer, out: &mut Vec<u8>) -> Then {
    while let Some(line) = lines.next(limits::COMMAND_BYTES_MAX) {
        let from = out.len();
        let then = answerer.answer(line, out);
        CommandAnswered { first_digit: out.get(from).copied().unwrap_or_default() }.record();
        if then != Then::Listen {
            return then;
        }
    }
    Then::Listen
}

/// Waits for the next bytes, until the deadline or until the listener drains.
async fn hear<S>(stream: &mut S, lines: &mut Lines, deadline: Instant, visit: &Visit) -> Result<(), End>
where
    S: AsyncRead + Unpin,
{
    let room = lines.room(limits::COMMAND_READ_BYTES);
    let read = tokio::select! {
        biased;
        () = visit.leaving.reached(Phase::Draining) => return Err(End::Draining),
        read = timeout_at(deadline, stream.read_buf(room)) => read.map_err(|_| End::Idle)?,
    };
    match read {
        Ok(0) => Err(End::Gone),
        Ok(_) => Ok(()),
        Err(why) => Err(End::Io(why)),
    }
}

async fn say_last_word<S: AsyncWrite + Unpin>(stream: &mut S, end: &End, answerer: &Answerer) {
    let mut out = Vec::new();
    match end {
        End::Idle => answerer.say_too_slow(&mut out),
        End::Draining => answerer.say_closing(&mut out),
        _ => {}
    }
    // Whether it arrives changes nothing any more.
    let _ = flush(stream, &mut out).await;
}

async fn flush<S: AsyncWrite + Unpin>(stream: &mut S, out: &mut Vec<u8>) -> io::Result<()> {
    let write = async {
        stream.write_all(out).await?;
        stream.flush().await
    };
    timeout(limits::REPLY_WRITE_MAX, write).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    out.clear();
    Ok(())
}

/// Closes so that our last reply arrives: our side first, then what the client still sends is read
/// and thrown away for a moment, because unread input would make the kernel reset the connection.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, end: End) -> End {
    let linger = async {
        stream.shutdown().await?;
        let (mut bytes, mut sink) = (0, [0; 1024]);
        while bytes < limits::LINGER_BYTES_MAX {
            match stream.read(&mut sink).await? {
                0 => break,
                n => bytes += n,
            }
        }
        io::Result::Ok(())
    };
    // Nothing depends on how the goodbye went.
    let _ = timeout(limits::LINGER_MAX, linger).await;
    end
}
