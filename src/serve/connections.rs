//! Accepts connections and serves them on one thread. When asked to stop, finishes the requests in
//! progress.

use super::{
    Service,
    route::{Peer, router},
};
use axum::Extension;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde_json::json;
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};

/// Pause after a connection could not be accepted, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(50);

/// Most bytes that are read ahead on a connection. This is also the longest head that a request may
/// have.
const BUFFER_BYTES: usize = 64 << 10;

/// Serves the connections of `listener` until `stop` is ready and the requests in progress are answered.
///
/// # Errors
/// Those of the operating system.
pub fn serve(
    service: Service,
    listener: std::net::TcpListener,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    listener.set_nonblocking(true)?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        accept(Arc::new(service), listener, stop).await;
        Ok(())
    })
}

async fn accept(service: Arc<Service>, listener: TcpListener, stop: impl Future<Output = ()>) {
    let limits = service.limits;
    let router = router(service.clone());
    let mut server = http1::Builder::new();
    // The timeout also closes connections on which no request comes.
    server
        .timer(TokioTimer::new())
        .header_read_timeout(limits.timeout)
        .max_buf_size(BUFFER_BYTES);
    let connections = Arc::new(Semaphore::new(limits.max_connections));
    tokio::pin!(stop);
    loop {
        let accepted = async {
            // The semaphore is never closed, so a permit comes sooner or later.
            let permit = connections.clone().acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        let Ok((stream, address)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        // Answers are short; each is sent at once.
        let _ = stream.set_nodelay(true);
        let router = router.clone().layer(Extension(Peer(address.ip())));
        let connection = server
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
            .with_upgrades();
        let mut stopping = service.stopping.subscribe();
        tokio::spawn(async move {
            tokio::pin!(connection);
            // An error here is the client's: it broke off the connection, or what it sent is not
            // HTTP.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = stopping.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
            drop(permit);
        });
    }
    drop(listener);
    service.stopping.send_replace(true);
    (service.log)(json!({
        "event": "stopping",
        "requests_in_progress": service.workers.num_requests(),
    }));
    // One timeout for the head of a request, one for its body and a processor.
    let finished = timeout(2 * limits.timeout, service.stopping.closed()).await;
    (service.log)(json!({ "event": "stopped", "all_answered": finished.is_ok() }));
}
