//! Who may do what.

use reqwest::Method;
use serde_json::json;

use crate::support::node::TestNode;
use crate::support::{ClientKey, assert_refused};

#[actix_web::test]
async fn a_bad_token_is_refused_before_the_body_is_judged() {
    let node = TestNode::start().await;
    node.api.register("alice").await;
    let ended = node.api.trust("alice", "ended", &ClientKey::p256()).await;
    let ending = node.api.request(Method::DELETE, "/session/@me");
    assert_eq!(
        ending
            .bearer_auth(&ended.token)
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    let routes = [
        (Method::PUT, "/key/server"),
        (Method::POST, "/session/idcert"),
        (Method::DELETE, "/session/@me"),
        (Method::DELETE, "/session/phone"),
        (Method::DELETE, "/session/trust"),
    ];
    let unknown = format!("Bearer {}", "A".repeat(43));
    let ended = format!("Bearer {}", ended.token);
    let headers = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic YTpi",
        &unknown,
        &ended,
    ];
    for (method, path) in routes {
        for header in headers {
            for body in ["", "{", &"x".repeat(2_000_000)] {
                let mut request = node.api.request(method.clone(), path).body(body.to_owned());
                if !header.is_empty() {
                    request = request.header("Authorization", header);
                }
                // A node that refuses may close the connection before a long body is through.
                let response = match request.send().await {
                    Ok(response) => response,
                    Err(error) => {
                        let is_cut_off = error.is_request() && !error.is_connect();
                        let is_long = body.len() > 1_000_000;
                        assert!(is_cut_off && is_long, "{method} {path} {header}: {error:?}");
                        continue;
                    }
                };
                assert_eq!(response.headers()["www-authenticate"], "Bearer");
                assert_refused(response, 401, "P2CORE_UNAUTHORIZED").await;
            }
        }
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_good_token_is_good_as_one_bearer_token_and_not_otherwise() {
    let node = TestNode::start().await;
    node.api.register("alice").await;
    let alice = node.api.trust("alice", "phone", &ClientKey::p256()).await;
    let with = |schemes: &'static [&str]| {
        let request = node.api.request(Method::GET, "/keypackage/@me");
        let request = schemes.iter().fold(request, |request, scheme| {
            request.header("Authorization", format!("{scheme}{}", alice.token))
        });
        async { request.send().await.unwrap() }
    };
    for good in [&["Bearer "], &["bearer "]] {
        assert_eq!(with(good).await.status(), 200);
    }
    let bad: [&[&str]; 5] = [
        &["Basic "],
        &[""],
        &["Bearer"],
        &["Bearer ", "Bearer "],
        &["Bearer ", "Basic "],
    ];
    for schemes in bad {
        assert_refused(with(schemes).await, 401, "P2CORE_UNAUTHORIZED").await;
    }
    node.stop().await;
}

#[actix_web::test]
async fn only_administrators_rotate_and_only_without_a_body() {
    let node = TestNode::start().await;
    node.api.register("alice").await;
    let alice = node.api.trust("alice", "phone", &ClientKey::p256()).await;
    let before = node.api.server_cert(None).await;
    let rotate = |body: &str| {
        let request = node.api.request(Method::PUT, "/key/server");
        request
            .bearer_auth(&alice.token)
            .body(body.to_owned())
            .send()
    };
    assert_refused(rotate("").await.unwrap(), 403, "P2CORE_NOT_ADMINISTRATOR").await;
    node.grant_administrator("alice").await;
    assert_refused(rotate("{}").await.unwrap(), 400, "P2CORE_BAD_REQUEST").await;
    assert_eq!(node.api.server_cert(None).await, before);
    assert_eq!(rotate("").await.unwrap().status(), 200);
    node.stop().await;
}

#[actix_web::test]
async fn open_routes_do_not_look_at_a_token() {
    let node = TestNode::start().await;
    let id = node.api.register("alice").await;
    for path in ["/key/server".to_owned(), format!("/key/user/{id}")] {
        let request = node.api.request(Method::GET, &path).bearer_auth("nonsense");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let body = json!({ "username": "bob", "password": crate::support::PASSWORD });
    let request = node.api.request(Method::POST, "/identity").json(&body);
    assert_eq!(request.bearer_auth("x").send().await.unwrap().status(), 201);
    node.stop().await;
}
