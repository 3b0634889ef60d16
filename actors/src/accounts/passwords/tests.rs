//! What is kept of passwords.

use argon2::password_hash::PasswordVerifier as _;

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
    assert_eq!(memory.free().blocks.len(), 1);
    // Until nobody has wanted it for a while.
    memory.release_unused();
    assert_eq!(memory.free().blocks.len(), 1);
    memory.release_unused();
    assert_eq!(memory.free().blocks.len(), 0);
    assert_eq!(verify(&memory, &password("one"), &kept), Ok(true));
    assert_eq!(memory.free().blocks.len(), 1);
}

#[tokio::test]
async fn a_crowd_leaves_half_of_the_cores_to_others() {
    let hasher = Hasher::new().unwrap();
    let crowd = (0..8).map(|_| {
        let password = Password::new("one".to_owned());
        tokio::spawn(hasher.clone().verify(password, None))
    });
    for guest in crowd.collect::<Vec<_>>() {
        assert!(!guest.await.unwrap().unwrap());
    }
    // Each that ran beside others took memory of its own.
    let cores = std::thread::available_parallelism().unwrap().get();
    let at_once = hasher.memory.free().blocks.len();
    assert!(at_once <= (cores / 2).max(1), "{at_once} on {cores} cores");
}
