//! The loop that answers connections.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

/// The time that a request's header may take to arrive.
const HEADER: Duration = Duration::from_secs(10);
/// The pause after a connection that could not be accepted: of open files there may be too many just now.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers until `stop` ends, and then finishes the requests that run. Unlike `axum::serve`, it gives up on whoever sends no header.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER);
    let running = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = running.watch(server.serve_connection(TokioIo::new(stream), service));
        // A connection that breaks is its client's affair.
        tokio::spawn(async move { drop(connection.await) });
    }
    drop(listener);
    running.shutdown().await;
}
