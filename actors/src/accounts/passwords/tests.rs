//! What is kept of passwords.

use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::PasswordVerifier as _;
use futures_util::future::join_all;

use super::*;

#[test]
fn what_is_kept_is_what_the_library_would_keep() {
    let memory = Memory::default();
    let password = |text: &str| Password::new(text.to_owned());
    let kept = hash(&memory, b"one").unwrap();
    assert!(
        kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{kept}"
    );
    let phc = PasswordHash::new(&kept).unwrap();
    Argon2::default().verify_password(b"one", &phc).unwrap();
    // Also in memory that was used before.
    assert_eq!(verify(&memory, &password("one"), &kept), Ok(true));
    assert_eq!(verify(&memory, &password("two"), &kept), Ok(false));
    assert_eq!(memory.free().len(), 1);
    memory.release();
    assert_eq!(memory.free().len(), 0);
    assert_eq!(verify(&memory, &password("one"), &kept), Ok(true));
    assert_eq!(memory.free().len(), 1);
}

/// A crowd takes its memory once; it is nobody's as soon as nobody waits.
#[tokio::test]
async fn memory_is_kept_for_those_who_wait() {
    let hasher = Hasher::new().unwrap();
    let crowd = 8 * std::thread::available_parallelism().unwrap().get();
    let taken_over = Arc::new(AtomicUsize::new(0));
    let guests = (0..crowd).map(|_| {
        let taken_over = Arc::clone(&taken_over);
        let hash_in_it = move |memory: &Memory| {
            taken_over.fetch_add(memory.free().len().min(1), Ordering::Relaxed);
            hash(memory, b"one").unwrap()
        };
        hasher.run(hash_in_it)
    });
    for hashed in join_all(guests).await {
        hashed.unwrap();
    }
    // All but the first on each of the cores.
    let taken_over = taken_over.load(Ordering::Relaxed);
    assert!(taken_over >= crowd / 2, "{taken_over} of {crowd}");
    assert_eq!(hasher.memory.free().len(), 0);
}

/// How long that takes would say who is known.
#[tokio::test]
async fn a_password_of_nobody_is_hashed_too() {
    let mut hasher = Hasher::new().unwrap();
    let password = || Password::new("one".to_owned());
    assert_eq!(hasher.clone().verify(password(), None).await, Ok(false));
    // What it is compared with is looked at: if it is no hash, that is noticed.
    hasher.decoy = "no hash".into();
    let compared = hasher.verify(password(), None).await;
    assert!(
        matches!(compared, Err(AccountsError::Hashing(_))),
        "{compared:?}"
    );
}

#[tokio::test]
async fn a_crowd_leaves_half_of_the_cores_to_others() {
    let hasher = Hasher::new().unwrap();
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let guests = (0..8).map(|_| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        hasher.run(move |memory| {
            let at_once = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(at_once, Ordering::SeqCst);
            hash(memory, b"one").unwrap();
            running.fetch_sub(1, Ordering::SeqCst);
        })
    });
    for guest in join_all(guests).await {
        guest.unwrap();
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    let most = most.load(Ordering::SeqCst);
    assert!(most <= (cores / 2).max(1), "{most} on {cores} cores");
}
