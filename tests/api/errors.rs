//! Every refusal has one shape.

use std::collections::HashSet;
use std::sync::Arc;

use antiphon_actors::clock::SystemClock;
use reqwest::Method;

use crate::support::assert_refused;
use crate::support::node::TestNode;

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
