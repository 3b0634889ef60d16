//! The bound on work holds whoever goes away.

use std::sync::mpsc;

use super::*;

#[tokio::test]
async fn work_that_nobody_waits_for_any_more_keeps_its_place_until_it_is_done() {
    let workers = Workers::new(1, 0);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let gone = workers.clone();
    let gone = tokio::spawn(async move {
        let work = move || {
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
        };
        gone.run(work).await
    });
    has_begun.await.unwrap();
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    assert_eq!(workers.run(|| ()).await, Err(WorkError::Busy));
    go_on.send(()).unwrap();
    while workers.run(|| ()).await == Err(WorkError::Busy) {
        tokio::task::yield_now().await;
    }
}
