//! The HTTP listener: connections in, answers out.

use std::{
    convert::Infallible,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Shared,
    answer::{Body, Sink, failed, plain, put, works},
    auth::{Account, check_origin},
    connection::Exception,
    execute, request,
};
use crate::ops::clock::Stopwatch;

/// Pieces of a body on their way to the engine.
const PIECES: usize = 4;

/// Serves until `shutdown`; statements under way may end.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, shutdown: CancellationToken) {
    let open = Arc::new(Semaphore::new(shared.limits.connections));
    let tasks = TaskTracker::new();
    loop {
        // Beyond the limit clients wait in the queue of the socket.
        let Ok(permit) = open.clone().acquire_owned().await else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(e) => {
                    tracing::warn!(error = %e, "a connection to the embedded clickhouse cannot be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        let (shared, shutdown) = (shared.clone(), shutdown.clone());
        tasks.spawn(async move {
            connection(stream, shared, shutdown).await;
            drop(permit);
        });
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, shutdown: CancellationToken) {
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!(error = %e, "TCP_NODELAY");
    }
    let idle = shared.limits.idle();
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(answer(shared, request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(idle);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = done {
        tracing::debug!(error = %e, "a connection to the embedded clickhouse ended");
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let watch = Stopwatch::start();
    let head = request.method() == Method::HEAD;
    let mut response = match check_origin(request.headers(), shared.loopback) {
        Err(why) => plain(StatusCode::FORBIDDEN, format!("{why}\n")),
        Ok(()) => route(shared, request, watch).await,
    };
    if head {
        *response.body_mut() = Body::Whole(None);
    }
    response
}

async fn route(shared: Arc<Shared>, request: Request<Incoming>, watch: Stopwatch) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if ![Method::GET, Method::HEAD, Method::POST].contains(&parts.method) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "use GET or POST\n");
    }
    let query = parts.uri.query().unwrap_or_default();
    match parts.uri.path() {
        "/ping" | "/replicas_status" => return plain(StatusCode::OK, "Ok.\n"),
        "/" if query.is_empty() && parts.method != Method::POST => return plain(StatusCode::OK, "Ok.\n"),
        "/" => {}
        _ => return plain(StatusCode::NOT_FOUND, "There is no handle for this path: use /, /ping or /replicas_status\n"),
    }
    let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let id = request::given_id(&parameters).unwrap_or_else(next_id);
    let done = async {
        let account = shared.accounts.identify(&parts.headers, &parameters)?;
        let request = request::Request::read(&parts, account, parameters, id.clone())?;
        run(&shared, request, body).await
    };
    let (code, mut response) = match done.await {
        Ok(head) => (0, works(head, watch.elapsed())),
        Err(e) => (e.code, failed(&e, &shared.version)),
    };
    tracing::debug!(query_id = id, code, elapsed_ms = watch.elapsed().as_millis(), "answered");
    put(&mut response, "X-ClickHouse-Query-Id", &id);
    response
}

/// Runs a statement on a thread that may block, with the body handed over as it comes.
async fn run(shared: &Arc<Shared>, request: request::Request, mut body: Incoming) -> Result<super::answer::Head, Exception> {
    let turns = match request.account {
        Account::Writer => &shared.writers,
        Account::Reader => &shared.readers,
    };
    let busy = || Exception::new(202, "TOO_MANY_SIMULTANEOUS_QUERIES", "too many queries run at this moment: try again");
    let turn = timeout(shared.limits.queue(), turns.clone().acquire_owned()).await.map_err(|_| busy())?.map_err(|_| busy())?;
    let (head_out, mut head) = oneshot::channel();
    let (pieces, receiver) = mpsc::channel(PIECES);
    let sink = Sink::new(head_out, request.coding, request.wait_end, shared.limits.idle());
    let mut abandoned = Abandoned { shared: shared.clone(), ticket: request.ticket.clone(), armed: true };
    let worker = shared.clone();
    tokio::task::spawn_blocking(move || {
        execute::run(&worker, request, Pieces { receiver, piece: Bytes::new(), ended: false }, sink);
        drop(turn);
    });
    let mut sending = true;
    let result = loop {
        tokio::select! {
            result = &mut head => break result,
            piece = timeout(shared.limits.idle(), body.frame()), if sending => {
                let piece = match piece {
                    Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
                    Ok(None) => Ok(None),
                    Ok(Some(Ok(frame))) => match frame.into_data() {
                        Ok(data) => Ok(Some(data)),
                        Err(_) => continue,
                    },
                    Ok(Some(Err(e))) => Err(io::Error::other(e)),
                };
                sending = matches!(piece, Ok(Some(_)));
                // A worker that does not want more has its reason, which comes as the head.
                sending &= tokio::select! {
                    sent = pieces.send(piece) => sent.is_ok(),
                    result = &mut head => break result,
                };
            }
        }
    };
    abandoned.armed = false;
    result.unwrap_or_else(|_| Err(Exception::new(1001, "STD_EXCEPTION", "the query ended without an answer")))
}

/// Cancels the statement of a client that went away before its answer began.
struct Abandoned {
    shared: Arc<Shared>,
    ticket: String,
    armed: bool,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        // Without a runtime the process is ending.
        if let Some(runtime) = self.armed.then(Handle::try_current).and_then(Result::ok) {
            let (shared, ticket) = (self.shared.clone(), std::mem::take(&mut self.ticket));
            runtime.spawn_blocking(move || shared.kill(Some(&ticket)));
        }
    }
}

/// A body that another task receives. It must say that it ended: a cut one is an error, not a shorter one.
struct Pieces {
    receiver: mpsc::Receiver<io::Result<Option<Bytes>>>,
    piece: Bytes,
    ended: bool,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Ok(Some(piece))) => self.piece = piece,
                Some(Ok(None)) => self.ended = true,
                Some(Err(e)) => return Err(cut(e).into()),
                None => return Err(cut("the connection ended").into()),
            }
        }
        let n = buffer.len().min(self.piece.len());
        buffer[..n].copy_from_slice(&self.piece.split_to(n));
        Ok(n)
    }
}

fn cut(why: impl std::fmt::Display) -> Exception {
    Exception::new(210, "NETWORK_ERROR", format!("the body did not come to its end: {why}"))
}

fn next_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("filin-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
