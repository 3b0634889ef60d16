//! The operator's commands.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::program::{Place, Program};
use crate::support::{ClientKey, PASSWORD, assert_refused};

#[test]
fn without_a_node_commands_say_so() {
    let place = Place::new();
    for command in [
        &["user", "list"][..],
        &["key", "rotate"],
        &["session", "list", "x"],
    ] {
        let line = place.fails(command, 1);
        assert!(line.contains("no node is running in data"), "{line}");
        // It may well run, with other settings than these.
        assert!(line.contains("--config"), "{line}");
        assert!(line.contains("--data-dir"), "{line}");
    }
}

async fn can_sign_in(program: &Program, name: &str, password: &str) -> bool {
    let csr = ClientKey::p256().csr(&program.api.fid(name), &password[..password.len().min(32)]);
    let csr = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, csr);
    let body = json!({ "username": name, "password": password, "csr": csr });
    program.api.post("/session/trust", &body).await.status() == 201
}

#[tokio::test]
async fn users_are_added_listed_and_changed() {
    let place = Place::new();
    let program = place.start();
    let add = [
        "user",
        "add",
        "alice",
        "--admin",
        "--password-stdin",
        "--json",
    ];
    let output = place.run_with_input(&add, &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{output:?}");
    let alice: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(alice["fid"], "alice@a.example");
    assert_eq!(alice["is_administrator"], true);
    assert!(alice.get("password").is_none());
    assert!(can_sign_in(&program, "alice", PASSWORD).await);

    let bob: Value = serde_json::from_str(&place.ok(&["user", "add", "Bob", "--json"])).unwrap();
    let made_up = bob["password"].as_str().unwrap();
    assert!(can_sign_in(&program, "bob", made_up).await);
    assert!(place.fails(&["user", "add", "bob"], 1).contains("taken"));
    let short = place.run_with_input(&["user", "add", "carol", "--password-stdin"], "short\n");
    assert_eq!(short.status.code(), Some(1));

    let id = alice["user_id"].as_str().unwrap();
    for who in ["alice", "alice@a.example", id] {
        place.ok(&["user", "revoke-admin", who]);
        let list: Vec<Value> =
            serde_json::from_str(&place.ok(&["user", "list", "--json"])).unwrap();
        assert_eq!(list[0]["is_administrator"], false);
        place.ok(&["user", "grant-admin", who]);
    }
    assert!(
        place
            .fails(&["user", "grant-admin", "nobody"], 1)
            .contains("no such user")
    );
    let set = ["user", "set-password", "alice", "--password-stdin"];
    assert!(place.run_with_input(&set, "another one").status.success());
    assert!(!can_sign_in(&program, "alice", PASSWORD).await);
    assert!(can_sign_in(&program, "alice", "another one").await);
}

#[tokio::test]
async fn keys_are_shown_and_rotated_and_sessions_ended() {
    let place = Place::new();
    let program = place.start();
    let shown = |command: &[&str]| -> Value { serde_json::from_str(&place.ok(command)).unwrap() };
    let first = shown(&["key", "show", "--json"]);
    let second = shown(&["key", "rotate", "--json"]);
    assert_ne!(first["fingerprint"], second["fingerprint"]);
    assert_eq!(
        shown(&["key", "show", "--json"])["fingerprint"],
        second["fingerprint"]
    );
    let history = shown(&["key", "history", "--json"]);
    assert_eq!(history[0]["retired"], second["since"]);
    assert_eq!(history[1]["retired"], Value::Null);

    program.api.register("alice").await;
    let alice = program
        .api
        .trust("alice", "phone", &ClientKey::p256())
        .await;
    let sessions = shown(&["session", "list", "alice", "--json"]);
    assert_eq!(sessions[0]["session_id"], "phone");
    place.ok(&["session", "end", "alice", "phone"]);
    assert!(
        place
            .fails(&["session", "end", "alice", "phone"], 1)
            .contains("no such session")
    );
    let request = program.api.request(reqwest::Method::DELETE, "/session/@me");
    let response = request.bearer_auth(&alice.token).send().await.unwrap();
    assert_refused(response, 401, "P2CORE_UNAUTHORIZED").await;

    let invite = shown(&["invite", "add", "--json"]);
    assert_eq!(invite["invite"].as_str().unwrap().len(), 43);
    assert_eq!(invite["registration"], "open");
    let told = place.ok(&["invite", "add"]);
    assert!(told.contains("registration.mode is \"open\""), "{told}");
    let invites = shown(&["invite", "list", "--json"]);
    let invites = invites.as_array().unwrap();
    assert_eq!(invites.len(), 2);
    for invite in invites {
        place.ok(&["invite", "revoke", invite["id"].as_str().unwrap()]);
    }
    let id = invites[0]["id"].as_str().unwrap();
    assert_eq!(shown(&["invite", "list", "--json"]), json!([]));
    assert!(
        place
            .fails(&["invite", "revoke", id], 1)
            .contains("no such invite")
    );
}

#[tokio::test]
async fn certificates_are_shown_and_linted() {
    let place = Place::new();
    let program = place.start();
    program.api.register("alice").await;
    let key = ClientKey::p256();
    let alice = program.api.trust("alice", "phone", &key).await;
    fs::write(place.path("cert.der"), &alice.id_cert).unwrap();
    fs::write(place.path("csr.der"), key.csr("alice@a.example", "phone")).unwrap();
    for file in ["cert.der", "csr.der"] {
        let text = place.ok(&["cert", "show", file]);
        assert!(
            text.contains("alice@a.example") && text.contains("sound"),
            "{text}"
        );
    }
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &alice.id_cert);
    let quoted = place.run_with_input(&["cert", "show", "-", "--json"], &format!("\"{base64}\"\n"));
    let shown: Value = serde_json::from_slice(&quoted.stdout).unwrap();
    assert_eq!(shown["fields"]["session_ID"], "phone");
    assert_eq!(shown["findings"], json!([]));

    // An ordinary self-signed certificate is no ID-Cert.
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ed25519",
            "-nodes",
            "-subj",
            "/DC=example/DC=a",
        ])
        .args(["-keyout", "/dev/null", "-out"])
        .arg(place.path("other.pem"))
        .output()
        .unwrap();
    assert!(made.status.success());
    let output = place.run(&["cert", "show", "other.pem"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("the extensions are not exactly")
    );
    fs::write(place.path("nonsense"), "nonsense").unwrap();
    assert!(
        place
            .fails(&["cert", "show", "nonsense"], 1)
            .contains("neither an X.509")
    );
}

/// What operating.md says: users stay, and can be kept out.
#[tokio::test]
async fn a_user_is_locked_out_with_another_password_and_without_sessions() {
    let place = Place::new();
    let program = place.start();
    let api = &program.api;
    api.register("alice").await;
    let key = ClientKey::p256();
    let alice = api.trust("alice", "phone", &key).await;
    place.ok(&["user", "set-password", "alice"]);
    place.ok(&["session", "end", "alice", "phone"]);
    assert!(!can_sign_in(&program, "alice", PASSWORD).await);
    assert_eq!(api.end(&alice).await, 401);
    assert!(
        !api.try_identify(&alice.id_cert, &key)
            .await
            .status()
            .is_success()
    );
    let again = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(api.post("/identity", &again).await.status(), 409);
}
