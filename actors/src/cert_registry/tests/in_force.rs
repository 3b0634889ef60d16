//! "In force at t" against a plain list, through random histories and restarts.

use super::*;

/// What the model keeps: everything that was logged, in order.
struct Model {
    log: Vec<(u64, Happened)>,
    sessions: Vec<(SessionRef, SessionId)>,
}

enum Happened {
    Server(ServerCert),
    Session(SessionRef, ActorCert),
    Ended(SessionRef),
}

impl Model {
    fn now(&self, clock: &ManualClock) -> u64 {
        let newest = self.log.last().map_or(0, |(at, _)| *at);
        clock.now().as_secs().max(newest)
    }

    fn server_at(&self, at: u64) -> Option<Vec<u8>> {
        let newest = self
            .log
            .iter()
            .rev()
            .find_map(|(logged, happened)| match happened {
                Happened::Server(cert) if *logged <= at => Some(cert),
                _ => None,
            })?;
        let valid = newest.validity().covers(Timestamp::from_secs(at));
        valid.then(|| newest.as_der().to_vec())
    }

    fn user_at(&self, user: Snowflake, at: u64) -> Vec<Vec<u8>> {
        let of_user = self
            .sessions
            .iter()
            .filter(|(session, _)| session.user == user);
        of_user
            .filter_map(|(session, _)| {
                let mut newest = None;
                for (logged, happened) in &self.log {
                    match happened {
                        Happened::Session(of, cert) if of == session && *logged <= at => {
                            newest = Some(cert);
                        }
                        Happened::Ended(of) if of == session && *logged <= at => return None,
                        _ => {}
                    }
                }
                let cert = newest?;
                let valid = cert.validity().covers(Timestamp::from_secs(at));
                valid.then(|| cert.as_der().to_vec())
            })
            .collect()
    }
}

#[actix::test]
async fn lookups_agree_with_a_plain_list_through_any_history() {
    for seed in 1..=12 {
        agree_for(seed).await;
    }
}

async fn agree_for(seed: u64) {
    let mut random = Random(seed);
    let directory = TempDir::new().unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(START));
    let issuer = Issuer::new();
    let mut running = Running::start(directory.path(), &clock);
    let mut model = Model {
        log: Vec::new(),
        sessions: Vec::new(),
    };
    let ids = ["phone", "laptop", "tablet"].map(|id| SessionId::parse(id).unwrap());
    for step in 0..150 {
        let user = Snowflake::from_u64(1 + random.below(2));
        let id = &ids[usize::try_from(random.below(3)).unwrap()];
        let now = model.now(&clock);
        let live = model.sessions.iter().rev().find(|(session, of)| {
            let ended = |(_, happened): &(u64, Happened)| matches!(happened, Happened::Ended(of) if of == session);
            session.user == user && of == id && !model.log.iter().any(ended)
        });
        let live = live.map(|(session, _)| *session);
        let registry = &running.registry;
        match random.below(9) {
            0 | 1 => {
                let session = SessionRef {
                    user,
                    session: Snowflake::from_u64(100 + step),
                };
                let cert = issuer.issue(id, now);
                let open = OpenSession {
                    session,
                    cert: cert.clone(),
                    rider: WriteSet::new(),
                };
                let opened = registry.send(open).await.unwrap();
                if live.is_some() {
                    assert_eq!(opened, Err(RegistryError::SessionIdTaken));
                } else {
                    assert_eq!(opened.unwrap().at.as_secs(), now);
                    model.log.push((now, Happened::Session(session, cert)));
                    model.sessions.push((session, id.clone()));
                }
            }
            2 | 3 => {
                let session = live.unwrap_or(SessionRef {
                    user,
                    session: Snowflake::from_u64(99),
                });
                let cert = issuer.issue(id, now);
                let renew = RenewSession {
                    session,
                    cert: cert.clone(),
                };
                match registry.send(renew).await.unwrap() {
                    Ok(_) => model.log.push((now, Happened::Session(session, cert))),
                    Err(error) => assert_eq!((error, live), (RegistryError::NoSuchSession, None)),
                }
            }
            4 => {
                let session = live.unwrap_or(SessionRef {
                    user,
                    session: Snowflake::from_u64(99),
                });
                let end = EndSession {
                    session,
                    rider: SessionRider::none(),
                };
                match registry.send(end).await.unwrap() {
                    Ok(_) => model.log.push((now, Happened::Ended(session))),
                    Err(error) => assert_eq!((error, live), (RegistryError::NoSuchSession, None)),
                }
            }
            5 => {
                let cert = server_cert(&issuer.key, now);
                registry
                    .send(AppendServerCert { cert: cert.clone() })
                    .await
                    .unwrap()
                    .unwrap();
                model.log.push((now, Happened::Server(cert)));
            }
            6 => clock.advance([0, 1, 2, DAY, 61 * DAY][usize::try_from(random.below(5)).unwrap()]),
            7 => clock.set(clock.now().minus_secs(random.below(3 * DAY))),
            _ => {
                running.stop();
                running = Running::start(directory.path(), &clock);
            }
        }
        compare(&running.reader, &model, &clock, &mut random).await;
    }
    running.stop();
}

async fn compare(
    reader: &Addr<CertReader>,
    model: &Model,
    clock: &ManualClock,
    random: &mut Random,
) {
    let now = model.now(clock);
    let logged = |random: &mut Random| {
        let index = usize::try_from(random.below(model.log.len() as u64 + 1)).unwrap();
        model.log.get(index).map_or(START, |(at, _)| *at)
    };
    let seconds = [
        None,
        Some(now),
        Some(now + 60),
        Some(now + 61),
        Some(START - 1),
        Some(logged(random)),
        Some(logged(random) - 1),
        Some(logged(random) + 60 * DAY),
        Some(logged(random) + 60 * DAY + 1),
    ];
    for second in seconds {
        let at = second.map(Timestamp::from_secs);
        let server = reader.send(ServerCertInForce { at }).await.unwrap();
        let is_future = second.is_some_and(|second| second > now + 60);
        let meant = second.unwrap_or(now).min(now);
        let newest = model.log.last().map_or(0, |(at, _)| *at);
        let is_final = second.is_some_and(|second| second < newest);
        for user in [1, 2] {
            let user = Snowflake::from_u64(user);
            let certs = reader.send(SessionCertsInForce { user, at }).await.unwrap();
            if is_future {
                assert_eq!(certs, Err(RegistryError::InFuture));
            } else {
                let certs = certs.unwrap();
                assert_eq!(certs.certs, model.user_at(user, meant), "at {second:?}");
                assert_eq!(certs.is_final, is_final, "at {second:?}");
            }
        }
        if is_future {
            assert_eq!(server, Err(RegistryError::InFuture));
        } else {
            let expected = model.server_at(meant);
            let expected = expected.map(|certs| InForce { certs, is_final });
            let expected = expected.ok_or(RegistryError::NoneInForce);
            assert_eq!(server, expected, "at {second:?}");
        }
    }
}
