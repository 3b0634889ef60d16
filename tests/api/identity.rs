//! `POST /p2core/identity`.

use std::sync::Arc;

use antiphon::control::{InviteCode, Request, User};
use antiphon_actors::clock::SystemClock;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::node::TestNode;
use crate::support::{PASSWORD, assert_refused};

#[actix_web::test]
async fn names_are_folded_and_given_once() {
    let node = TestNode::start().await;
    let wish = |name: &str| json!({ "username": name, "password": PASSWORD });
    let response = node.api.post("/identity", &wish("Alice.B_%+-1")).await;
    assert_eq!(response.status(), 201);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["fid"], "alice.b_%+-1@a.example");
    let id = body["payload"]["user_id"].as_str().unwrap();
    assert!(id.bytes().all(|b| b.is_ascii_digit()));
    let again = node.api.post("/identity", &wish("ALICE.b_%+-1")).await;
    assert_refused(again, 409, "P2CORE_FEDERATION_ID_TAKEN").await;
    let node = node.restart().await;
    let again = node.api.post("/identity", &wish("alice.b_%+-1")).await;
    assert_refused(again, 409, "P2CORE_FEDERATION_ID_TAKEN").await;
    node.stop().await;
}

#[actix_web::test]
async fn nobody_gets_what_the_operator_means_for_another() {
    let node = TestNode::start().await;
    let alice = node.api.register("alice").await;
    let mallory = node.api.register(&alice).await;
    let bob = node.api.register("7").await;
    for (named, meant) in [
        (alice.clone(), &alice),
        (format!("{alice}@a.example"), &mallory),
        (mallory.clone(), &mallory),
        // Nobody's user ID.
        ("7".to_owned(), &bob),
    ] {
        let request = Request::UserSetAdministrator {
            user: named,
            is_administrator: true,
        };
        assert_eq!(node.order::<User>(request).await.user_id, *meant);
    }
    node.stop().await;
}

#[actix_web::test]
async fn one_of_many_gets_the_name() {
    let node = TestNode::start().await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let api = node.api.clone();
            let body = json!({ "username": "bob", "password": PASSWORD });
            actix_web::rt::spawn(async move { api.post("/identity", &body).await.status() })
        })
        .collect();
    let mut created = 0;
    for task in tasks {
        match task.await.unwrap().as_u16() {
            201 => created += 1,
            status => assert_eq!(status, 409),
        }
    }
    assert_eq!(created, 1);
    node.stop().await;
}

#[actix_web::test]
async fn one_of_many_gets_in_with_an_invite() {
    let invite = [("registration.mode", "invite")];
    let node = TestNode::with(&invite, Arc::new(SystemClock)).await;
    let code: InviteCode = node.order(Request::InviteAdd).await;
    let wishes: Vec<_> = (0..16)
        .map(|number| {
            let name = format!("user{number}");
            json!({ "username": name, "password": PASSWORD, "auth_payload": { "invite": code.invite } })
        })
        .collect();
    let tries = wishes.iter().map(|wish| node.api.post("/identity", wish));
    let mut created = 0;
    for answer in join_all(tries).await {
        if answer.status() == 201 {
            created += 1;
        } else {
            assert_refused(answer, 403, "P2CORE_REGISTRATION_CLOSED").await;
        }
    }
    assert_eq!(created, 1);
    node.stop().await;
}

#[actix_web::test]
async fn bad_names_passwords_and_members_are_refused() {
    let node = TestNode::start().await;
    // The last is the Kelvin sign, which Unicode folds to k.
    for name in ["", "a b", "a@b", &"a".repeat(65), "\u{fc}", "\u{212a}elvin"] {
        let body = json!({ "username": name, "password": PASSWORD });
        let response = node.api.post("/identity", &body).await;
        assert_refused(response, 400, "P2CORE_BAD_REQUEST").await;
    }
    // In bytes: é has two.
    for (name, character, times, status) in [
        ("p7", "x", 7, 400),
        ("p8", "x", 8, 201),
        ("p1", "x", 1024, 201),
        ("p2", "x", 1025, 400),
        ("p3", "é", 3, 400),
        ("p4", "é", 4, 201),
        ("p5", "é", 512, 201),
        ("p6", "é", 513, 400),
    ] {
        let body = json!({ "username": name, "password": character.repeat(times) });
        assert_eq!(
            node.api.post("/identity", &body).await.status(),
            status,
            "{times} times {character}"
        );
    }
    for body in [
        json!({ "username": "carol" }),
        json!({ "password": PASSWORD }),
        json!({ "username": "carol", "password": PASSWORD, "admin": true }),
        json!({ "username": "carol", "password": PASSWORD, "auth_payload": { "x": 1 } }),
        json!({ "username": 1, "password": PASSWORD }),
    ] {
        let response = node.api.post("/identity", &body).await;
        assert_refused(response, 400, "P2CORE_BAD_REQUEST").await;
    }
    node.stop().await;
}

#[actix_web::test]
async fn a_closed_node_registers_nobody() {
    let closed = [("registration.mode", "closed")];
    let node = TestNode::with(&closed, Arc::new(SystemClock)).await;
    for body in [
        json!({ "username": "alice", "password": PASSWORD }),
        json!({ "username": "alice" }),
        json!({ "username": "a b", "password": PASSWORD }),
    ] {
        let response = node.api.post("/identity", &body).await;
        assert_refused(response, 403, "P2CORE_REGISTRATION_CLOSED").await;
    }
    let misspelt = json!({ "usrname": "alice" });
    let response = node.api.post("/identity", &misspelt).await;
    assert_refused(response, 400, "P2CORE_BAD_REQUEST").await;
    let lookup = node.api.get("/key/user/alice@a.example").await;
    assert_refused(lookup, 404, "P2CORE_USER_NOT_FOUND").await;
    node.stop().await;
}

#[actix_web::test]
async fn an_invite_is_good_for_one_registration() {
    let invite = [("registration.mode", "invite")];
    let node = TestNode::with(&invite, Arc::new(SystemClock)).await;
    let code: InviteCode = node.order(Request::InviteAdd).await;
    let wish = |name: &str, invite: Option<&str>| json!({ "username": name, "password": PASSWORD, "auth_payload": { "invite": invite } });
    for invite in [None, Some("nonsense"), Some("A".repeat(43).as_str())] {
        let response = node.api.post("/identity", &wish("alice", invite)).await;
        assert_refused(response, 403, "P2CORE_REGISTRATION_CLOSED").await;
    }
    let first = node
        .api
        .post("/identity", &wish("alice", Some(&code.invite)))
        .await;
    assert_eq!(first.status(), 201);
    let second = node
        .api
        .post("/identity", &wish("bob", Some(&code.invite)))
        .await;
    assert_refused(second, 403, "P2CORE_REGISTRATION_CLOSED").await;
    node.stop().await;
}
