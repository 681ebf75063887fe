//! One connection from greeting to goodbye: it moves bytes between the socket and the session, within
//! deadlines, brings the session the decisions it asks for, and knows when to stop.

use super::decide::Client;
use super::door::{Context, Door};
use super::happenings::{CommandAnswered, ConnectionClosed, ConnectionOpened, End, PlaintextDropped};
use super::patience::Patience;
use super::proxy;
use super::settings::Tls;
use super::starttls::shake_hands;
use super::transcript::Transcript;
use crate::base::budget::{Budget, Share};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::base::shutdown::Phase;
use crate::net::listen::Visit;
use crate::net::socket::Peer;
use crate::smtp::extension::Channel;
use crate::smtp::line::Lines;
use crate::smtp::reply::Reply;
use crate::smtp::session::{Close, Session, Step};
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Serves one client until it or we have had enough.
pub(super) async fn serve(
    mut stream: TcpStream,
    door: Arc<Door>,
    tls: Arc<ServerConfig>,
    context: &Context,
    mut visit: Visit,
) {
    let started = Instant::now();
    let Peer::Address(from) = visit.peer else { return };
    let Ok(peer) = proxy::conveyed(&mut stream, from, &door.proxies).await else { return };
    let word = door.word();
    ConnectionOpened { door: word, peer }.record();
    let channel = match door.tls {
        Tls::Starttls => Channel::PlainOfferingTls,
        Tls::Implicit => Channel::Tls,
        Tls::None => Channel::Plain,
    };
    let refused = visit.pass_to(peer).err().map(|why| door.smtp.sent_away(why));
    let record = door.transcripts.iter().any(|net| net.contains(&peer.ip()));
    let begin = || Transcript::begin(&context.transcripts, word, (&visit.id, peer), context.clock.now());
    let transcript = record.then(begin);
    let data_rate_min = door.smtp.data_rate_min;
    let mut client = Client::new(door, context.deciders.clone(), peer.ip());
    let refused = refused.or_else(|| client.banned());
    let session = Session::new(client.offer(channel), context.clock.clone(), context.random.clone());
    let memory = Memory { budget: context.bodies.clone(), share: None };
    let mut talk = Talk { session, client, visit: &visit, out: Vec::new(), memory, data_rate_min, transcript };
    let end = match refused {
        Some(reply) => talk.send_away(stream, channel, &reply).await,
        None => talk.over(stream, channel, tls).await,
    };
    let session = &talk.session;
    let (messages, commands, errors) = (session.messages(), session.commands(), session.errors());
    ConnectionClosed { door: word, peer, messages, commands, errors, after: started.elapsed(), end }.record();
    if let Some(transcript) = talk.transcript {
        transcript.keep().await;
    }
}

/// The two who talk, and what is not said yet.
struct Talk<'a> {
    session: Session,
    client: Client,
    visit: &'a Visit,
    out: Vec<u8>,
    memory: Memory,
    data_rate_min: u32,
    transcript: Option<Transcript>,
}

/// What the message at hand holds of the budget of all.
struct Memory {
    budget: Budget,
    share: Option<Share>,
}

impl Memory {
    /// Is there room for so much? With nothing held, all is given back.
    fn holds(&mut self, bytes: usize) -> bool {
        match bytes {
            0 => {
                self.share = None;
                true
            }
            bytes => self.share.get_or_insert_with(|| self.budget.share()).grow_to(bytes),
        }
    }
}

/// How one channel's conversation ended.
enum Ended {
    StartTls,
    Over(End),
}

impl Talk<'_> {
    fn greet(&mut self) {
        self.session.greet(&mut self.out);
        self.record_from(0);
    }

    /// What was said from here on is written down, where that is wished.
    fn record_from(&mut self, from: usize) {
        if let Some(transcript) = &mut self.transcript {
            transcript.said(&self.out[from..]);
        }
    }

    /// RFC 5321 3.1: one reply instead of a greeting. Where the first bytes must be TLS's, nothing can be said.
    async fn send_away(&mut self, mut stream: TcpStream, channel: Channel, reply: &Reply) -> End {
        if channel != Channel::Tls {
            reply.write(&mut self.out);
            self.record_from(0);
            // Whether it arrives changes nothing any more.
            let _ = flush(&mut stream, &mut self.out).await;
        }
        part(&mut stream, End::Closed(Close::Decided)).await
    }

    /// The whole conversation, on one channel or on two.
    async fn over(&mut self, mut stream: TcpStream, channel: Channel, tls: Arc<ServerConfig>) -> End {
        self.greet();
        if channel != Channel::Tls {
            match self.converse(&mut stream).await {
                Ended::StartTls => {}
                Ended::Over(end) => return part(&mut stream, end).await,
            }
        }
        let Some((mut stream, secured)) = shake_hands(stream, tls).await else { return End::NoTls };
        self.client.secured(secured);
        if let Some(transcript) = &mut self.transcript {
            transcript.secured();
        }
        if channel != Channel::Tls {
            self.session.secure(self.client.offer(Channel::Tls));
        }
        match self.converse(&mut stream).await {
            // Inside TLS the session refuses STARTTLS, so this conversation ends in one way only.
            Ended::StartTls => part(&mut stream, End::NoTls).await,
            Ended::Over(end) => part(&mut stream, end).await,
        }
    }

    /// Says what is to be said first, then answers all that comes until it is over. All commands of one
    /// packet are answered in one write (RFC 2920 3.2).
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Ended {
        let mut lines = Lines::default();
        let mut patience = Patience::new(Instant::now(), self.data_rate_min);
        loop {
            let step = self.answer_all(&mut lines).await;
            if !self.memory.holds(self.session.held()) {
                self.session.run_short();
            }
            if !self.out.is_empty() {
                if let Err(why) = flush(stream, &mut self.out).await {
                    return Ended::Over(End::Io(why));
                }
                patience.begin_again(Instant::now());
            }
            match step {
                Then::Hear => {}
                Then::Over(end) => return Ended::Over(end),
                Then::StartTls => {
                    // RFC 3207 4.2: what came in the clear behind STARTTLS may be anybody's.
                    let bytes = lines.discard();
                    if bytes > 0 {
                        PlaintextDropped { bytes }.record();
                    }
                    return Ended::StartTls;
                }
            }
            if let Err(end) = self.hear(stream, &mut lines, &mut patience).await {
                self.say_last_word(stream, &end).await;
                return Ended::Over(end);
            }
        }
    }

    /// Lets the session answer what has come, and brings it every decision it asks for.
    async fn answer_all(&mut self, lines: &mut Lines) -> Then {
        let mut step = self.proceed(lines);
        loop {
            let ask = match step {
                Step::Hear => return Then::Hear,
                Step::StartTls => return Then::StartTls,
                Step::Close(why) => return Then::Over(End::Closed(why)),
                Step::Ask(ask) => ask,
            };
            let answer = self.client.decide(ask, &self.session).await;
            let from = self.out.len();
            let next = self.session.take(answer, &mut self.out);
            count_replies(&self.out[from..]);
            self.record_from(from);
            step = match next {
                Some(step) => step,
                None => self.proceed(lines),
            };
        }
    }

    fn proceed(&mut self, lines: &mut Lines) -> Step {
        let from = self.out.len();
        let step = match &mut self.transcript {
            None => self.session.proceed(lines, &mut self.out),
            Some(transcript) => proceed_recorded(&mut self.session, lines, &mut self.out, transcript),
        };
        count_replies(&self.out[from..]);
        step
    }

    /// Waits for the next bytes, until the deadline or until the listener drains. A message that is coming
    /// in is heard to its end also then.
    async fn hear<S>(&self, stream: &mut S, lines: &mut Lines, patience: &mut Patience) -> Result<(), End>
    where
        S: AsyncRead + Unpin,
    {
        let receiving = self.session.receiving().is_some();
        let bytes = if receiving { limits::DATA_READ_BYTES } else { limits::COMMAND_READ_BYTES };
        if !receiving {
            lines.rest();
        }
        let deadline = patience.deadline(receiving, Instant::now());
        let room = lines.room(bytes);
        let read = tokio::select! {
            biased;
            () = self.visit.leaving.reached(Phase::Draining), if !receiving => return Err(End::Draining),
            read = timeout_at(deadline, stream.read_buf(room)) => read.map_err(|_| End::Idle)?,
        };
        match read {
            Ok(0) => Err(End::Gone),
            Ok(n) => {
                patience.heard(n);
                Ok(())
            }
            Err(why) => Err(End::Io(why)),
        }
    }

    async fn say_last_word<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, end: &End) {
        match end {
            End::Idle => self.session.say_too_slow(&mut self.out),
            End::Draining => self.session.say_closing(&mut self.out),
            _ => {}
        }
        self.record_from(0);
        // Whether it arrives changes nothing any more.
        let _ = flush(stream, &mut self.out).await;
    }
}

enum Then {
    Hear,
    StartTls,
    Over(End),
}

/// Line by line, so that each stands before its reply.
fn proceed_recorded(session: &mut Session, lines: &mut Lines, out: &mut Vec<u8>, transcript: &mut Transcript) -> Step {
    loop {
        let (hearing, before, from) = (session.hearing(), lines.unread().to_vec(), out.len());
        let step = session.proceed_once(lines, out);
        transcript.heard(hearing, &before[..before.len() - lines.unread().len()]);
        transcript.said(&out[from..]);
        if let Some(step) = step {
            return step;
        }
    }
}

/// Each reply by the first digit of its last line.
fn count_replies(said: &[u8]) {
    for line in said.split_inclusive(|byte| *byte == b'\n') {
        if line.get(3) == Some(&b' ') {
            CommandAnswered { first_digit: line[0] }.record();
        }
    }
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
