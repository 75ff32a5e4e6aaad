//! An orderly end: the first SIGTERM or ctrl-c asks for it, the second does not wait.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that did not wait for its orderly end: what a shell shows for ctrl-c.
const IMPATIENT: i32 = 130;

/// A token that is cancelled by the first SIGTERM or ctrl-c; the second ends the process at once, which loses nothing that was
/// acknowledged. Everything that runs ends by this token.
///
/// # Errors
/// When signals cannot be listened to. Must be called in a tokio runtime.
pub fn on_signal() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let asked = token.clone();
    tokio::spawn(async move {
        let mut wait = async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "ctrl-c",
            }
        };
        let first = wait().await;
        tracing::info!(signal = first, "stopping; a second signal does not wait");
        asked.cancel();
        let second = wait().await;
        tracing::warn!(signal = second, "stopping at once");
        std::process::exit(IMPATIENT);
    });
    Ok(token)
}
