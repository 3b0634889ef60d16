//! `antiphon demo`.

use super::program::{Place, one_line};

#[test]
fn the_story_is_told_to_its_end_and_leaves_nothing_behind() {
    let place = Place::new();
    let temporary = place.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = place.command(&["demo"]);
    let output = command.env("TMPDIR", &temporary).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let steps = text.lines().filter(|line| line.starts_with(' ')).count();
    assert_eq!(steps, 14, "{text}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!place.data().exists());
}

#[test]
fn a_demo_that_cannot_go_on_says_so_and_fails() {
    let place = Place::new();
    let mut command = place.command(&["demo"]);
    let output = command.env("TMPDIR", place.path("nowhere")).output();
    one_line(&output.unwrap(), 1);
}

/// It has settings of its own, and would only seem to follow others.
#[test]
fn a_demo_takes_no_settings() {
    let place = Place::new();
    for setting in [
        &["--domain", "c.example"][..],
        &["--data-dir", "data"],
        &["--listen", "127.0.0.1:7"],
        &["--set", "log.level=debug"],
        &["--config", "gone.toml"],
    ] {
        let line = place.fails(&[&["demo"], setting].concat(), 2);
        assert!(line.contains("the demo takes no settings"), "{line}");
    }
}
