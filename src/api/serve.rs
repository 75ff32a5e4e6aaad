//! The listener: connections in, an orderly end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Peer;
use crate::ops::tls;

/// Connections served at the same time; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;
/// How long a client may take to send a request's head, and to send the next one.
const HEAD: Duration = Duration::from_secs(30);
/// How long a client may take to agree on a key.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long requests may go on after the end was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// Answers requests until the token is cancelled, then finishes what is being answered. `tls`: connections are encrypted.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, tls: Option<tls::Server>, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let (tracker, places) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let place = tokio::select! {
            () = shutdown.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place.expect("never closed"),
        };
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(e) if is_of_one_connection(&e) => continue,
                Err(e) => {
                    // Out of descriptors, most likely: they come back when connections end.
                    tracing::warn!(error = %e, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        drop(stream.set_nodelay(true));
        let (router, shutdown, tls) = (router.clone(), shutdown.clone(), tls.as_ref().map(tls::Server::current));
        tracker.spawn(async move {
            let _place = place;
            let Some(tls) = tls else { return answer(stream, peer, router, shutdown).await };
            let agreed = tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream));
            tokio::select! {
                // A scanner, a client without a certificate, one that never says anything: theirs to notice.
                agreed = agreed => if let Ok(Ok(stream)) = agreed { answer(stream, peer, router, shutdown).await },
                () = shutdown.cancelled() => {}
            }
        });
    }
    tracker.close();
    tracker.wait().await;
    Ok(())
}

/// Answers the requests of a connection.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, peer: SocketAddr, router: Router, shutdown: CancellationToken) {
    let router = TowerToHyperService::new(router);
    let router = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        hyper::service::Service::call(&router, request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), router);
    let mut connection = std::pin::pin!(connection);
    // What goes wrong on a connection is the client's to notice.
    tokio::select! {
        ended = connection.as_mut() => drop(ended),
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            drop(tokio::time::timeout(GRACE, connection).await);
        }
    }
}

fn is_of_one_connection(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
