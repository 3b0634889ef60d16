//! What readers keep in memory, where it ends.

use super::*;
use crate::storage::Slot;

#[actix::test]
async fn a_history_too_long_to_keep_is_read_from_the_log() {
    let (directory, clock, running) = begin();
    let issuer = Issuer::new();
    let id = SessionId::parse("phone").unwrap();
    let session = SessionRef::from_numbers(1, 2);
    let first = issuer.issue(&id, START);
    let open = OpenSession {
        session,
        cert: first.clone(),
        rider: WriteSet::new(),
    };
    running.registry.send(open).await.unwrap().unwrap();
    let mut certs = vec![first];
    for second in 1..=100 {
        clock.advance(1);
        let cert = issuer.issue(&id, START + second);
        let renew = RenewSession {
            session,
            cert: cert.clone(),
        };
        running.registry.send(renew).await.unwrap().unwrap();
        certs.push(cert);
        let lookup = SessionCertsInForce {
            user: session.user,
            at: None,
        };
        let now = running.reader.send(lookup).await.unwrap().unwrap();
        assert_eq!(now.certs, [certs.last().unwrap().as_der().to_vec()]);
        // The first time it is kept in memory.
        if second == 20 || second == 100 {
            each_at_its_time(&running.reader, session.user, &certs).await;
        }
    }
    running.stop();

    // Entries that are not on disk yet are not seen, also where a run has no others.
    let store = Store::new(Storage::open(directory.path(), 8).unwrap());
    for (newest, cert) in (1..).zip(&certs) {
        let found = store.live_cert_of(session, clock.now(), newest);
        let found = found.unwrap().map(|live| live.der);
        assert_eq!(
            found.as_deref(),
            Some(cert.as_der()),
            "up to entry {newest}"
        );
        let steps = store.session_steps_in_force(session.user, clock.now(), newest);
        let entries: Vec<_> = steps
            .unwrap()
            .iter()
            .map(|(_, step)| step.sequence)
            .collect();
        assert_eq!(entries, [newest]);
    }
}

/// The first entry of a log, which is unlike the others, is no measure for them.
#[actix::test]
async fn what_is_read_of_the_log_is_kept_with_what_stands_beside_it() {
    let (directory, _, running) = begin();
    let issuer = Issuer::new();
    let append = AppendServerCert {
        cert: issuer.cert.clone(),
    };
    running.registry.send(append).await.unwrap().unwrap();
    let id = SessionId::parse("phone").unwrap();
    let mut certs = Vec::new();
    for number in 2..=20 {
        let cert = issuer.issue(&id, START);
        certs.push(cert.clone());
        let open = OpenSession {
            session: SessionRef::from_numbers(number, number),
            cert,
            rider: WriteSet::new(),
        };
        running.registry.send(open).await.unwrap().unwrap();
    }
    let slots = running.certs_read.slots.as_ref().unwrap();
    let kept = || {
        (0..40).map(|sequence| match slots.get(sequence) {
            Slot::Bytes(compressed) => compressed.len(),
            Slot::Empty | Slot::TooLong => 0,
        })
    };
    assert_eq!(kept().max(), Some(0));
    let lookup = SessionCertsInForce {
        user: Snowflake::from_u64(7),
        at: Some(Timestamp::from_secs(START)),
    };
    let found = running.reader.send(lookup).await.unwrap().unwrap();
    assert_eq!(found.certs.len(), 1);
    let (kept, beside): (Vec<_>, Vec<_>) = (0..).zip(kept()).partition(|(_, length)| *length > 0);
    assert_eq!(kept.len(), 15, "{kept:?}");
    assert!(
        beside
            .iter()
            .all(|(sequence, _)| !(1..16).contains(sequence))
    );
    let of_sessions = kept.iter().skip(1);
    let longest = of_sessions.map(|(_, length)| *length).max();
    assert!(longest.is_some_and(|longest| longest < 160), "{kept:?}");

    // Whatever is kept, or is not: what is told is what was logged.
    slots.put(3, &[Some(vec![0; 1000]), None, Some(vec![1; 50])]);
    assert_eq!(slots.get(3), Slot::TooLong);
    for (number, cert) in (2..).zip(&certs) {
        let user = Snowflake::from_u64(number);
        each_at_its_time(&running.reader, user, std::slice::from_ref(cert)).await;
    }
    assert!((1..=20).all(|sequence| slots.get(sequence) != Slot::Empty));
    running.stop();

    // Where there is no place for it, the log is read.
    let store = Store::new(Storage::open(directory.path(), 8).unwrap());
    let certs_read = CertsRead::new(None, Arc::default());
    for (sequence, cert) in (2..).zip(&certs) {
        let found = certs_read.cert(&store, sequence, true).unwrap();
        assert_eq!(found, cert.as_der());
    }
}

/// What cannot be read is the trouble of whoever asks about its time.
#[actix::test]
async fn an_unreadable_record_hides_no_newer_certificate_of_the_server() {
    let (directory, clock, running) = begin();
    let issuer = Issuer::new();
    let mut newest = None;
    for _ in 0..2 {
        let cert = server_cert(&issuer.key, clock.now().as_secs());
        let append = AppendServerCert { cert: cert.clone() };
        running.registry.send(append).await.unwrap().unwrap();
        newest = Some(cert);
        clock.advance(100);
    }
    running.stop();

    let storage = Storage::open(directory.path(), 8).unwrap();
    let mut writes = WriteSet::new();
    let first = [START.to_be_bytes(), 1_u64.to_be_bytes()].concat();
    writes.put_bytes(Space::ServerCertIndex, &first, Vec::new());
    storage.commit(writes).await.unwrap();
    drop(storage);

    let running = Running::start(directory.path(), &clock);
    let ask = |at| running.reader.send(ServerCertInForce { at });
    let now = ask(None).await.unwrap().unwrap();
    assert_eq!(now.certs, newest.unwrap().as_der());
    let then = ask(Some(Timestamp::from_secs(START + 50))).await.unwrap();
    assert!(
        matches!(
            then,
            Err(RegistryError::Storage(StorageError::Damaged { .. }))
        ),
        "{then:?}"
    );
    running.stop();
}

/// A run may have steps that are not on disk yet: nobody sees those.
#[test]
fn a_timeline_ends_where_it_says() {
    let step = |sequence| Step {
        sequence,
        at: START,
        change: Change::Cert {
            not_before: START,
            not_after: START + DAY,
        },
    };
    let mut run = Run::of(step(5));
    assert!(run.add(step(6)) && run.add(step(8)));
    for (as_of, newest) in [(4, None), (5, Some(5)), (7, Some(6)), (8, Some(8))] {
        assert_eq!(run.newest(START, as_of), newest.map(step));
        let runs = [Ok((1, run.to_bytes().unwrap()))].into_iter();
        let timeline = Timeline::gather(as_of, runs).unwrap().unwrap();
        let told = timeline.read().unwrap();
        let found = told.in_force(Timestamp::from_secs(START)).unwrap();
        let sequences = found.iter().map(|(_, step)| step.sequence);
        assert_eq!(sequences.collect::<Vec<_>>(), Vec::from_iter(newest));
    }
}

/// Asserts that these are a user's certificates, one for each second from the start on.
async fn each_at_its_time(reader: &Addr<CertReader>, user: Snowflake, certs: &[ActorCert]) {
    for (second, cert) in (0..).zip(certs) {
        let lookup = SessionCertsInForce {
            user,
            at: Some(Timestamp::from_secs(START + second)),
        };
        let then = reader.send(lookup).await.unwrap().unwrap();
        assert_eq!(then.certs, [cert.as_der().to_vec()], "after {second} s");
    }
}
