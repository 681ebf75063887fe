//! One try: a message, some of its recipients, and the hosts of a site, one after the other until one has
//! answered for everybody.

use super::letter::Unwritten;
use super::settle::{End, Sent, Settled, Try};
use super::site::{Away, Kind, Takes};
use super::worker::Worker;
use crate::base::clock::Time;
use crate::base::limits;
use crate::base::shutdown::Phase as DaemonPhase;
use crate::deliver::outcome::{self, About, Judgement, network};
use crate::deliver::session::{After, Answer, Parcel, Phase, Record, Session, Transacted, TriedHost, Unopened};
use crate::mail::envelope::Recipient;
use crate::model::delivery::State;
use crate::model::host::Host;
use crate::model::outcome::{Outcome, Why};
use crate::queue::details;
use crate::queue::ready::Item;
use crate::queue::settings::Dialogues;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of a try while it goes on.
struct Trying {
    items: Vec<Item>,
    began: Time,
    /// Hosts that have answered what only another could do better.
    skip: Vec<Host>,
    /// What the last of them said for each recipient that is left.
    last: Option<Vec<End>>,
}

impl Worker {
    /// Tries until every recipient has an end.
    pub(super) async fn attempt(&mut self, items: Vec<Item>) -> Vec<Settled> {
        let mut trying = Trying { items, began: self.dispatch.now(), skip: Vec::new(), last: None };
        let mut settled = Vec::with_capacity(trying.items.len());
        while !trying.items.is_empty() {
            let Some(session) = self.session(&mut trying, &mut settled).await else { break };
            self.transact(session, &mut trying, &mut settled).await;
        }
        settled
    }

    fn away(&self) -> &Away {
        match &self.site.kind {
            Kind::Away(away) => away,
            // Invariant: `work` comes here for sites that are away only.
            Kind::Desk | Kind::Sandbox => unreachable!("only what is away is tried over a connection"),
        }
    }

    /// The connection there is, or a new one to a host that was not tried yet. None: there is no other, and
    /// everybody has an end.
    async fn session(&mut self, trying: &mut Trying, settled: &mut Vec<Settled>) -> Option<Session> {
        if let Some(session) = self.session.take() {
            if !trying.skip.contains(session.host()) {
                return Some(session);
            }
            session.quit().await;
        }
        let (dispatch, site) = (self.dispatch.clone(), self.site.clone());
        let opened = tokio::select! {
            opened = Session::open(&self.away().way, &trying.skip, &dispatch.around) => opened,
            () = dispatch.shutdown.reached(DaemonPhase::Draining) => {
                trying.give_back(settled);
                return None;
            }
        };
        dispatch.count_opening(&trying.items, opened.as_ref());
        match opened {
            Ok(session) => Some(session),
            Err(unopened) => {
                // Who was heard before says more than that nobody else is there.
                match trying.last.take() {
                    Some(ends) => trying.end_with(ends, settled),
                    None => {
                        let judged = self.judge_unopened(&unopened);
                        trying.end_all(&self.told_unopened(&unopened, trying.began), &judged.outcome, settled);
                        let first = dispatch.settings().retry.first().copied().unwrap_or(limits::SITE_PAUSE_FIRST);
                        if unopened.down
                            && let Some(why) = judged.outcome.why()
                            && let Some(until) = site.failed(why, first, dispatch.now())
                        {
                            self.dispatch.shut(&site, until, why).await;
                        }
                    }
                }
                None
            }
        }
    }

    /// One transaction with this host. Whom another host may serve better stays in `trying`.
    async fn transact(&mut self, mut session: Session, trying: &mut Trying, settled: &mut Vec<Settled>) {
        let dispatch = self.dispatch.clone();
        let recipients: Vec<Recipient> = trying.items.iter().map(recipient).collect();
        let recipients: Vec<&Recipient> = recipients.iter().collect();
        let mail = trying.items[0].mail.clone();
        let record = match dispatch.settings().record_dialogues {
            Dialogues::None => Record::Nothing,
            Dialogues::Failures | Dialogues::All => Record::Dialogue,
        };
        let (sender, params) = (dispatch.wire_sender(&trying.items[0]).await, &mail.params);
        let parcel =
            Parcel { sender: &sender, params, recipients: &recipients, top: b"", message: &mail.prepared, record };
        let written = tokio::select! {
            biased;
            written = dispatch.letter(&session, &parcel, &trying.items[0]) => written,
            // Memory for a copy may be long in coming.
            () = dispatch.shutdown.reached(DaemonPhase::Draining) => return trying.give_back(settled),
        };
        let letter = match written {
            Ok(letter) => letter,
            Err(Unwritten::Misfit(why)) => return self.skip_host(session, &why, trying),
            Err(Unwritten::Ends(outcome)) => {
                self.session = Some(session);
                return trying.end_untried(&outcome, settled);
            }
        };
        let parcel = Parcel { top: letter.top(), message: &letter.bytes, params: &letter.params, ..parcel };
        // From the final dot on nobody may take it back; before it, at the end of the day, it goes back at once.
        let finishing = AtomicBool::new(false);
        let may_finish = || {
            let may = !dispatch.is_draining() && dispatch.pulse.is_alive();
            finishing.store(may, Ordering::Release);
            may
        };
        let transacted = tokio::select! {
            biased;
            transacted = session.transact(&parcel, may_finish) => transacted,
            () = dispatch.interrupted(&finishing) => return trying.give_back(settled),
        };
        let sent = Sent { signature: letter.signature, is_converted: letter.is_converted };
        self.conclude(session, transacted, sent, trying, settled).await;
    }

    /// This host cannot take it; another may.
    fn skip_host(&mut self, session: Session, why: &Why, trying: &mut Trying) {
        let told = self.told(&session, None, trying.began);
        trying.skip.push(session.host().clone());
        trying.last = Some(trying.items.iter().map(|_| ended(judged_misfit(why), &told, None)).collect());
        // Others of the site may fit: it is kept until another host is needed.
        self.session = Some(session);
    }

    async fn conclude(
        &mut self,
        session: Session,
        transacted: Transacted,
        sent: Sent,
        trying: &mut Trying,
        settled: &mut Vec<Settled>,
    ) {
        let Transacted { answers, after, dialogue, .. } = transacted;
        if after == After::Stale {
            // Nothing was tried: the same again over a new connection.
            return;
        }
        let told = Try { sent, ..self.told(&session, dialogue, trying.began) };
        let host = session.host().clone();
        let judged: Vec<_> = answers.iter().map(|answer| self.judge(&host, answer)).collect();
        self.heed(&judged).await;
        let is_another_left = self.away().way.hosts.iter().any(|t| t.host != host && !trying.skip.contains(&t.host));
        let (mut stay, mut ends) = (Vec::new(), Vec::new());
        for (item, (judged, answer)) in
            std::mem::take(&mut trying.items).into_iter().zip(judged.into_iter().zip(&answers))
        {
            let end = match judged {
                None => End::GivenBack,
                Some(judged) if judged.about == About::Host && is_another_left && !is_done(&judged) => {
                    ends.push(ended(judged.outcome, &told, Some(answer)));
                    stay.push(item);
                    continue;
                }
                Some(judged) => ended(judged.outcome, &told, Some(answer)),
            };
            settled.push(Settled::new(item, self.without_needless_dialogue(end)));
        }
        if !stay.is_empty() {
            trying.skip.push(host);
            trying.last = Some(ends);
            trying.items = stay;
        }
        match after {
            After::Reusable => self.session = Some(session),
            After::Closing => session.quit().await,
            After::Stale => {}
        }
    }

    /// What an answer means; none when we withheld the end of the message ourselves.
    fn judge(&self, host: &Host, answer: &Answer) -> Option<Judgement> {
        let host = host.to_string();
        Some(match answer {
            Answer::Accepted(response) => {
                let (code, status, text) = (response.code, response.status, response.text.as_str());
                self.dispatch.replies().classify(&outcome::Answer {
                    phase: Phase::Message,
                    host: &host,
                    code,
                    status,
                    text,
                })
            }
            Answer::Refused { phase, response } => {
                let (code, status, text) = (response.code, response.status, response.text.as_str());
                self.dispatch.replies().classify(&outcome::Answer { phase: *phase, host: &host, code, status, text })
            }
            Answer::Lost { possibly_delivered: true, why, .. } => network::possibly_delivered(&host, why),
            Answer::Lost { phase, why, .. } => network::lost(&host, *phase, why),
            Answer::Withheld => return None,
            Answer::Unsendable(why) => network::unsendable(&why.to_string()),
        })
    }

    /// What the answers say about the pace of the site.
    async fn heed(&self, judged: &[Option<Judgement>]) {
        let now = self.dispatch.now();
        if judged.iter().flatten().any(is_done) {
            self.site.went_well(now);
        }
        let asks = |judged: &Judgement| judged.action.zip(judged.outcome.why().cloned());
        if let Some((action, why)) = judged.iter().flatten().find_map(asks)
            && let Some(until) = self.site.heed(action, &why.text, now)
        {
            self.dispatch.suspend(&self.site, until, &why).await;
        }
    }

    fn judge_unopened(&self, unopened: &Unopened) -> Judgement {
        let refused = |tried: &TriedHost| {
            let response = tried.response.as_ref()?;
            let (code, status, text) = (response.code, response.status, response.text.as_str());
            let (phase, host) = (tried.phase, tried.host.to_string());
            Some(self.dispatch.replies().classify(&outcome::Answer { phase, host: &host, code, status, text }))
        };
        let said = unopened.tried.iter().rev().find_map(refused);
        said.unwrap_or_else(|| Judgement {
            outcome: Outcome::Later(unopened.why.clone()),
            action: None,
            about: About::Host,
        })
    }

    fn told_unopened(&self, unopened: &Unopened, began: Time) -> Try {
        let last = unopened.tried.last();
        Try {
            took: self.dispatch.now().since(began),
            host: last.map(|tried| tried.host.to_string()),
            address: last.and_then(|tried| tried.address).map(|address| address.to_string()),
            reply: last.and_then(|tried| tried.response.as_ref()).map(ToString::to_string),
            ..Try::begun(began, State::Delivered)
        }
    }

    fn told(&self, session: &Session, dialogue: Option<String>, began: Time) -> Try {
        Try {
            took: self.dispatch.now().since(began),
            taken_as: match self.away().takes {
                Takes::Over => State::Sent,
                Takes::For => State::Delivered,
            },
            host: Some(session.host().to_string()),
            address: Some(session.address().to_string()),
            tls: session.tls().map(|tls| format!("{} {} ({})", tls.version, tls.cipher, tls.verified.word())),
            dialogue,
            tells_success: session.capabilities().dsn,
            ..Try::begun(began, State::Delivered)
        }
    }

    fn without_needless_dialogue(&self, end: End) -> End {
        match end {
            End::Tried(Outcome::Done, mut told) => {
                if self.dispatch.settings().record_dialogues != Dialogues::All {
                    told.dialogue = None;
                }
                End::Tried(Outcome::Done, told)
            }
            other => other,
        }
    }
}

impl Trying {
    fn give_back(&mut self, settled: &mut Vec<Settled>) {
        settled.extend(self.items.drain(..).map(|item| Settled::new(item, End::GivenBack)));
    }

    fn end_untried(&mut self, outcome: &Outcome, settled: &mut Vec<Settled>) {
        settled.extend(self.items.drain(..).map(|item| Settled::new(item, End::Untried(outcome.clone()))));
    }

    fn end_with(&mut self, ends: Vec<End>, settled: &mut Vec<Settled>) {
        settled.extend(self.items.drain(..).zip(ends).map(|(item, end)| Settled::new(item, end)));
    }

    fn end_all(&mut self, told: &Try, outcome: &Outcome, settled: &mut Vec<Settled>) {
        let end = |item| Settled::new(item, End::Tried(outcome.clone(), Box::new(told.clone())));
        settled.extend(self.items.drain(..).map(end));
    }
}

fn recipient(item: &Item) -> Recipient {
    // A row whose wishes cannot be read is delivered without them: its recipient is sure.
    let wishes = details::wishes(&item.delivery.details).unwrap_or_default();
    Recipient { address: item.delivery.recipient.clone(), notify: wishes.notify, original: wishes.original }
}

fn is_done(judged: &Judgement) -> bool {
    judged.outcome == Outcome::Done
}

/// What a message needs and no host has, is a reason for ever: RFC 1870 6.1, RFC 6152 3, RFC 6531 3.5,
/// RFC 8689 4.2.1.
fn judged_misfit(why: &Why) -> Outcome {
    Outcome::Never(why.clone())
}

fn ended(outcome: Outcome, told: &Try, answer: Option<&Answer>) -> End {
    let reply = match answer {
        Some(Answer::Accepted(response) | Answer::Refused { response, .. }) => Some(response.to_string()),
        Some(Answer::Lost { .. } | Answer::Withheld | Answer::Unsendable(_)) | None => None,
    };
    End::Tried(outcome, Box::new(Try { reply, ..told.clone() }))
}
