//! One transaction on an open session: drives `smtp::dialogue::transaction` over the wire, and leaves the
//! connection clean or says that it is not.

use super::happenings::Fault;
use super::wire::{Trouble, Wire};
use super::{After, Answer, Parcel, Patience, Phase, Record, Session, Transacted};
use crate::base::limits;
use crate::base::observe::Happening;
use crate::smtp::dialogue::message::Pieces;
use crate::smtp::dialogue::transaction::{Ends, Haste, Next, Transaction};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How a transaction left the connection.
enum Left {
    /// Every reply was heard.
    InOrder,
    /// The remote is gone, or cannot be understood.
    Lost(Trouble),
}

pub(super) async fn transact(session: &mut Session, parcel: &Parcel<'_>, may_finish: impl Fn() -> bool) -> Transacted {
    let began = Instant::now();
    if parcel.record == Record::Dialogue {
        session.wire.transcript = Some(session.opening.clone());
    }
    let (answers, after) = send(session, parcel, may_finish).await;
    session.used_at = Instant::now();
    let dialogue = session.wire.transcript.take().map(|transcript| transcript.as_str().to_owned());
    Transacted { answers, after, dialogue, took: began.elapsed() }
}

async fn send(session: &mut Session, parcel: &Parcel<'_>, may_finish: impl Fn() -> bool) -> (Vec<Answer>, After) {
    let is_reused = session.transactions > 0;
    session.transactions += 1;
    let is_rested = is_reused && session.used_at.elapsed() > limits::UNHEARD_MAX;
    let haste = if is_rested { Haste::HearFirst } else { Haste::OneFlush };
    let Session { wire, capabilities, protocol, patience, host, transactions, .. } = session;
    let mut transaction = match Transaction::new(parcel.mail(), capabilities, *protocol, haste) {
        Ok(transaction) => transaction,
        Err(why) => return (vec![Answer::Unsendable(why); parcel.recipients.len()], After::Reusable),
    };
    // RFC 5321 3.8: it may have said goodbye since, and that says nothing about this message.
    if is_reused && wire.is_stale().await {
        transaction.lose(&Trouble::Closed.to_string());
        return (transaction.finish(), After::Stale);
    }
    let bound = patience.transaction + seconds_for(parcel.message.len());
    let driven = timeout(bound, drive(wire, &mut transaction, patience, may_finish)).await;
    let left = match driven.unwrap_or(Err(Trouble::TooSlow(bound))) {
        Ok(()) => Left::InOrder,
        Err(trouble) => Left::Lost(trouble),
    };
    let is_stale = is_reused && transaction.is_stale(matches!(left, Left::Lost(Trouble::Closed | Trouble::Broken(_))));
    if let Left::Lost(trouble) = left {
        if let Trouble::Fault(fault) = &trouble {
            Fault { host, phase: transaction.awaits().unwrap_or(Phase::Data), fault: *fault }.record();
        }
        transaction.lose(&trouble.to_string());
    }
    let is_closing = transaction.is_closing();
    let answers = transaction.finish();
    let is_spent = capabilities.transactions_max.is_some_and(|max| *transactions >= max);
    let after = match () {
        () if is_stale => After::Stale,
        () if is_closing => After::Closing,
        // RFC 9422 4.1: the remote has said how many it wants.
        () if is_spent => After::Closing,
        () if answers.iter().all(Answer::is_accepted) => After::Reusable,
        () => reset(wire, patience.reset).await,
    };
    (answers, after)
}

/// RFC 5321 4.1.1.5: what is left of a failed transaction goes. A remote that does not agree is left, and what
/// it said about the mail stands.
async fn reset(wire: &mut Wire, wait: Duration) -> After {
    let asked = async {
        wire.say("RSET", wait).await?;
        wire.hear(wait).await
    };
    match asked.await {
        Ok(said) if said.code / 100 == 2 => After::Reusable,
        Ok(_) | Err(_) => After::Closing,
    }
}

async fn drive(
    wire: &mut Wire,
    transaction: &mut Transaction<'_>,
    patience: &Patience,
    may_finish: impl Fn() -> bool,
) -> Result<(), Trouble> {
    loop {
        match transaction.next(&mut wire.out) {
            Next::Over => return Ok(()),
            Next::Say => wire.flush(patience.piece).await?,
            Next::SayMessage { pieces, ends } => {
                let sent = send_message(wire, transaction, (pieces, ends), patience.piece, &may_finish).await?;
                if sent == Sent::Withheld {
                    return Ok(());
                }
            }
        }
        while let Some(phase) = transaction.awaits() {
            let said = wire.hear(patience.of(phase)).await?;
            transaction.hear(said.into())?;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Whole,
    Withheld,
}

/// Commands and a message, a slice at a time and in as few writes as that takes.
async fn send_message(
    wire: &mut Wire,
    transaction: &mut Transaction<'_>,
    (mut pieces, ends): (Pieces<'_>, Ends),
    wait: Duration,
    may_finish: &impl Fn() -> bool,
) -> Result<Sent, Trouble> {
    let (mut is_first, mut bytes) = (true, 0);
    while is_first || !pieces.is_over() {
        let mut batch: [&[u8]; limits::MESSAGE_SLICES_AT_ONCE] = [&[]; limits::MESSAGE_SLICES_AT_ONCE];
        let taken = gather(&mut pieces, &mut batch);
        let is_the_end = match ends {
            Ends::Never => false,
            Ends::WithTheFirst => is_first,
            Ends::WithTheLast => pieces.is_over(),
        };
        if is_the_end {
            if !may_finish() {
                wire.out.clear();
                transaction.withhold();
                return Ok(Sent::Withheld);
            }
            transaction.finishing();
        }
        let batch = &batch[..taken];
        bytes += batch.iter().map(|piece| piece.len()).sum::<usize>();
        wire.flush_with(batch, wait).await?;
        is_first = false;
    }
    if let Some(transcript) = &mut wire.transcript {
        transcript.said_message(bytes);
    }
    Ok(Sent::Whole)
}

/// As many pieces as go in one write.
fn gather<'a>(pieces: &mut Pieces<'a>, batch: &mut [&'a [u8]]) -> usize {
    let (mut taken, mut bytes) = (0, 0);
    while taken < batch.len()
        && bytes < limits::MESSAGE_SLICE_BYTES
        && let Some(piece) = pieces.next()
    {
        batch[taken] = piece;
        taken += 1;
        bytes += piece.len();
    }
    taken
}

fn seconds_for(bytes: usize) -> Duration {
    Duration::from_secs(bytes as u64 / limits::DELIVERY_BYTES_PER_SECOND_MIN)
}
