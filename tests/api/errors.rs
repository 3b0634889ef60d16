//! Every refusal has one shape.

use std::collections::HashSet;
use std::sync::Arc;

use antiphon_actors::clock::SystemClock;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::node::TestNode;
use crate::support::{ClientKey, assert_refused};

#[actix_web::test]
async fn unknown_paths_and_wrong_methods_are_refused_in_the_same_shape() {
    let node = TestNode::start().await;
    for path in [
        "",
        "/",
        "/key",
        "/key/server/",
        "/session/trust/x",
        "/key/user/",
    ] {
        assert_refused(node.api.get(path).await, 404, "P2CORE_NOT_FOUND").await;
    }
    let cases = [
        (Method::POST, "/key/server", "GET, PUT"),
        (Method::PUT, "/key/user/1", "GET"),
        (Method::GET, "/identity", "POST"),
        (Method::GET, "/session/trust", "POST, DELETE"),
        (Method::PATCH, "/session/idcert", "POST, DELETE"),
        (Method::POST, "/session/x", "DELETE"),
    ];
    for (method, path, allow) in cases {
        let response = node.api.request(method, path).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allow);
        assert_refused(response, 405, "P2CORE_METHOD_NOT_ALLOWED").await;
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_body_over_the_limit_is_413_and_one_at_the_limit_is_read() {
    let limit = [("limits.body_bytes", "4096")];
    let node = TestNode::with(&limit, Arc::new(SystemClock)).await;
    for (length, status, error) in [
        (4096, 400, "P2CORE_BAD_REQUEST"),
        (4097, 413, "P2CORE_PAYLOAD_TOO_LARGE"),
        (1_000_000, 413, "P2CORE_PAYLOAD_TOO_LARGE"),
    ] {
        for (method, path) in [(Method::POST, "/identity"), (Method::GET, "/key/server")] {
            let request = node.api.request(method, path).body("x".repeat(length));
            assert_refused(request.send().await.unwrap(), status, error).await;
        }
    }
    node.stop().await;
}

#[actix_web::test]
async fn unreadable_bodies_are_refused() {
    let node = TestNode::start().await;
    let bodies: [&[u8]; 8] = [
        b"",
        b"{",
        b"null",
        b"[\"alice\", \"correct horse\"]",
        b"{\"username\":\"a\",\"username\":\"b\",\"password\":\"12345678\"}",
        b"{\"username\":\"\xff\",\"password\":\"12345678\"}",
        b"{} {}",
        b"<xml/>",
    ];
    for body in bodies {
        for path in ["/identity", "/session/trust"] {
            let request = node.api.request(Method::POST, path).body(body.to_vec());
            let response = request.send().await.unwrap();
            assert_refused(response, 400, "P2CORE_BAD_REQUEST").await;
        }
    }
    node.stop().await;
}

/// serde would take the members of an object from an array, in their order.
#[actix_web::test]
async fn an_array_is_no_object_within_a_body_either() {
    let node = TestNode::start().await;
    for (path, body) in [
        (
            "/identity",
            json!({ "username": "a", "password": "12345678", "auth_payload": ["x"] }),
        ),
        (
            "/session/trust",
            json!({ "username": "a", "password": "12345678", "csr": "", "auth_payload": [] }),
        ),
        (
            "/session/identify",
            json!({ "completed_challenge": ["x", "y"], "id_cert": "" }),
        ),
    ] {
        let response = node.api.post(path, &body).await;
        let message = assert_refused(response, 400, "P2CORE_BAD_REQUEST").await;
        assert!(message.contains("a JSON object"), "{message}");
    }
    node.stop().await;
}

/// Where there are no members to give, none is overlooked.
#[actix_web::test]
async fn a_body_that_nobody_asked_for_has_no_members() {
    let limit = [("limits.body_bytes", "4096")];
    let node = TestNode::with(&limit, Arc::new(SystemClock)).await;
    node.api.register("alice").await;
    let alice = node.api.trust("alice", "phone", &ClientKey::p256()).await;
    let too_long = "x".repeat(4097);
    for (body, status, error) in [
        (r#"{"cipher_suite":"1"}"#, 400, "P2CORE_BAD_REQUEST"),
        ("[]", 400, "P2CORE_BAD_REQUEST"),
        (&too_long, 413, "P2CORE_PAYLOAD_TOO_LARGE"),
    ] {
        for (method, path) in [
            (Method::GET, "/challenge"),
            (Method::GET, "/keypackage/@me"),
            (Method::GET, "/keypackage/alice@a.example"),
            (Method::DELETE, "/session/@me"),
        ] {
            let request = node.api.request(method, path).bearer_auth(&alice.token);
            let response = request.body(body.to_owned()).send().await.unwrap();
            assert_refused(response, status, error).await;
        }
    }
    let request = node.api.request(Method::DELETE, "/session/@me");
    let request = request.bearer_auth(&alice.token).body("{}");
    assert_eq!(request.send().await.unwrap().status(), 204);
    node.stop().await;
}

/// What comes after the answer is not for the next request.
#[actix_web::test]
async fn a_body_that_cannot_be_told_from_what_follows_ends_the_connection() {
    let node = TestNode::start().await;
    let address = node.api.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "POST /p2core/identity HTTP/1.1\r\nHost: a.example\r\n\
        Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert!(body.contains("P2CORE_BAD_REQUEST"), "{body}");
    node.stop().await;
}

/// Nobody needs to send all of it to be told.
#[actix_web::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let node = TestNode::start().await;
    let address = node.api.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        "POST /p2core/identity HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 13];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413 ");
    node.stop().await;
}

/// Nor does it matter whether it is announced.
#[actix_web::test]
async fn a_body_in_pieces_has_the_same_limit() {
    let limit = [("limits.body_bytes", "4096")];
    let node = TestNode::with(&limit, Arc::new(SystemClock)).await;
    let address = node.api.base.strip_prefix("http://").unwrap();
    for (length, status) in [(4096, "400"), (4097, "413")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (half, body) = (length / 2, "x".repeat(length));
        let (first, second) = body.split_at(half);
        let request = format!(
            "POST /p2core/identity HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n\
             {half:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
            length - half
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(answer, format!("HTTP/1.1 {status}"), "{length}");
    }
    node.stop().await;
}

#[actix_web::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let node = TestNode::start().await;
    let mut seen = HashSet::new();
    for path in ["/key/server", "/nothing", "/key/server", "/key/user/x"] {
        let response = node.api.get(path).await;
        let id = response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(seen.insert(id));
    }
    node.stop().await;
}
