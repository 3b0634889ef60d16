//! Killed at any instant under load, a node has lost nothing that it acknowledged, gives nothing
//! out twice, and everything that it has stored holds together.
//!
//! `KILL_CYCLES` sets how often; the seed that is printed can be set with `KILL_SEED`.

use super::ledger::Ledger;
use super::program::key_files;
use super::workload;
use crate::support::random::Random;

/// How often one node is killed; then a new one takes its place, so that there is less to look
/// through.
const KILLS_EACH: u64 = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_killed() {
    let cycles = std::env::var("KILL_CYCLES").map_or(200, |cycles| cycles.parse().unwrap());
    let mut random = Random::from_environment("KILL_SEED");
    let mut done = 0;
    while done < cycles {
        let kills = KILLS_EACH.min(cycles - done);
        let ledger = kill_often(kills, &mut random).await;
        done += kills;
        println!("{done} kills: {} acknowledged", ledger.now().summary());
    }
}

async fn kill_often(kills: u64, random: &mut Random) -> Ledger {
    let place = workload::place();
    let ledger = Ledger::new();
    let program = place.start();
    let people = ledger.people(&place, &program.api).await;
    program.kill();

    for kill in 0..=kills {
        let program = place.start();
        let acknowledged = ledger.now();
        let most = if kill == kills { usize::MAX } else { 8 };
        let checked = acknowledged.check(&program.api, &place.data(), most).await;
        checked.unwrap_or_else(|what| panic!("after kill {kill}: {what}"));
        let checked = acknowledged.check_packages(&ledger, &program.api, &people);
        let checked = checked.await;
        checked.unwrap_or_else(|what| panic!("after kill {kill}: {what}"));
        assert_eq!(key_files(&place.data()).len(), 1);

        let tasks = ledger.work(&program.api, &people, kill);
        // After any of the first answers, while others are on their way.
        let answers = usize::try_from(random.below(128)).unwrap();
        ledger.until_told(answers).await;
        program.kill();
        for task in tasks {
            task.await.unwrap();
        }
        place.ok(&["--domain", "a.example", "verify"]);
    }
    ledger
}
