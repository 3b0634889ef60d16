//! Bodies that fill the room for all of them.

use std::time::Duration;

use reqwest::{Method, Response};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::node::TestNode;
use crate::support::{Api, assert_refused};

/// As large as a body may be.
const LARGE: usize = 1_048_576;

/// Sends a body without its last byte.
async fn send_most(api: &Api) -> TcpStream {
    let address = api.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /p2core/key/server HTTP/1.1\r\nHost: a.example\r\nContent-Length: {LARGE}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; LARGE - 1]).await.unwrap();
    stream
}

/// Sends one that cannot be read as JSON.
async fn send_all(api: &Api) -> Response {
    let request = api.request(Method::POST, "/identity");
    request.body(vec![b' '; LARGE]).send().await.unwrap()
}

#[actix_web::test]
async fn there_is_room_for_so_many_large_bodies_at_once() {
    let node = TestNode::start().await;
    let mut held = Vec::new();
    let refused = loop {
        let answer = send_all(&node.api).await;
        if answer.status() == 503 {
            break answer;
        }
        assert_refused(answer, 400, "P2CORE_BAD_REQUEST").await;
        held.push(send_most(&node.api).await);
        assert!(held.len() < 200, "there is room for everything");
    };
    // 32 MiB, of which the first 16 KiB of each do not count.
    assert!(held.len() >= 32, "{}", held.len());
    assert_eq!(refused.headers()["connection"], "close");
    assert!(refused.headers().contains_key("retry-after"));
    assert_refused(refused, 503, "P2CORE_BUSY").await;
    // Small ones are not kept out.
    node.api.register("alice").await;
    drop(held);
    let let_go = async {
        loop {
            let answer = send_all(&node.api).await;
            if answer.status() != 503 {
                break answer;
            }
        }
    };
    let answer = timeout(Duration::from_mins(1), let_go).await.unwrap();
    assert_refused(answer, 400, "P2CORE_BAD_REQUEST").await;
    node.stop().await;
}

/// Also one that came whole and was answered.
#[actix_web::test]
async fn a_body_gives_its_room_back() {
    let node = TestNode::start().await;
    for _ in 0..100 {
        assert_refused(send_all(&node.api).await, 400, "P2CORE_BAD_REQUEST").await;
    }
    node.stop().await;
}
