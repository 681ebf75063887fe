//! What systemd is told: ready, reloading, stopping, and one line of status. Without systemd it is told
//! to nobody.

use sd_notify::NotifyState;

pub enum State<'a> {
    Status(&'a str),
    Ready(&'a str),
    Reloading,
    Stopping,
}

pub fn tell(state: State<'_>) {
    let told = match state {
        State::Status(line) => sd_notify::notify(&[NotifyState::Status(line)]),
        State::Ready(line) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(line)]),
        // Type=notify-reload wants the moment too, to tell this reload's READY from an earlier one.
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now, NotifyState::Status("reloading")])),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status("draining")]),
    };
    if let Err(why) = told {
        tracing::debug!(%why, "systemd could not be told");
    }
}
