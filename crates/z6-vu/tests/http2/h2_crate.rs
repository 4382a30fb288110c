//! The h2 crate as server.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};

use super::{Event, run, scenario};

/// Starts the server on a thread of its own; it ends with this process.
fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::task::spawn_local(serve(stream));
            }
        });
    });
    address
}

async fn serve(stream: tokio::net::TcpStream) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(50).initial_window_size(20_000);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::task::spawn_local(answer(request, respond));
    }
}

/// Answers with as many bytes as it was sent.
async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let method = request.method().clone();
    let mut body = request.into_body();
    let mut count = 0;
    while let Some(Ok(bytes)) = body.data().await {
        let _ = body.flow_control().release_capacity(bytes.len());
        count += bytes.len();
    }
    if method == http::Method::DELETE {
        return respond.send_reset(Reason::REFUSED_STREAM);
    }
    let response = Response::builder().status(200).body(()).unwrap();
    let ends = count == 0 || method == http::Method::HEAD;
    let Ok(mut stream) = respond.send_response(response, ends) else { return };
    if !ends {
        let _ = stream.send_data(Bytes::from(vec![b'x'; count]), true);
    }
}

#[test]
fn requests_of_every_kind_are_answered() {
    let address = start();
    let post = format!("method = 'POST'\nbody = '{}'", "a".repeat(1_000_000));
    for (method, iterations) in [("", 100), ("method = 'HEAD'", 100), (&*post, 2)] {
        let ran = run(&scenario(address, 20, iterations, "", method), 1);
        assert_eq!(
            ran.succeeded(),
            20 * iterations as usize,
            "{}",
            &method[..method.len().min(20)]
        );
        assert_eq!((ran.failures().len(), ran.connects()), (0, 1));
    }
    let ran = run(&scenario(address, 2, 5, "", "method = 'DELETE'"), 1);
    assert_eq!((ran.succeeded(), ran.failures().len(), ran.connects()), (0, 10, 1));
    assert_eq!(ran.count(|event| matches!(event, Event::Resent { .. })), 10);
}
