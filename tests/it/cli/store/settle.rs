//! `rollcall settle` writes the checkpoints that a killed server left, or names the tenants for which it cannot.

use rollcall::clock::Clock;
use rollcall::live::state::APPLY_VERSION;

use super::{on, stderr, stdout};
use crate::on_both_stores;
use crate::support::desks::{connected, directory};
use crate::support::process::Process;
use crate::support::raw::RawStore;
use crate::support::{Backend, Home};

on_both_stores!(settle_writes_what_a_killed_server_left);
on_both_stores!(settle_names_what_it_cannot_settle);

/// Leaves a store whose server was killed. Returns the ids of two tenants, the first with entries; both have the position 0
/// if nothing is written.
async fn killed(home: &Home) -> [String; 2] {
    let process = Process::start(&home.location, &[]).await;
    let persona = process.api.persona("one").await;
    process.api.put_directory(&persona.key, &directory(3)).await;
    process.api.apply(&persona.key, &[connected("1", 1, Clock::system().now())]).await;
    let other = process.api.persona("two").await;
    drop(process);
    [persona.tenant, other.tenant]
}

async fn settle_writes_what_a_killed_server_left(backend: Backend) {
    let home = Home::new(backend).await;
    let [tenant, empty] = killed(&home).await;
    let mut raw = RawStore::open(&home.location).await;
    let behind = "SELECT count(*) FROM head WHERE seq > 0 AND NOT EXISTS (
                      SELECT 1 FROM checkpoint WHERE checkpoint.tenant = head.tenant AND position = seq)";
    assert_eq!(raw.number(behind).await, 1);
    let output = stdout(&on(&home, &["settle"]).code(0));
    assert!(output.contains(&format!("{tenant}  2  settled\n")), "{output}");
    assert!(output.contains(&format!("{empty}  0  settled before\n")), "{output}");
    assert_eq!(raw.number(behind).await, 0);
    assert!(stdout(&on(&home, &["settle"]).code(0)).contains(&format!("{tenant}  2  settled before\n")));
    assert!(stdout(&on(&home, &["verify"]).code(0)).contains("equal"));

    let process = Process::start(&home.location, &[]).await;
    if backend == Backend::Embedded {
        let refused = stderr(&on(&home, &["settle"]).code(2));
        assert!(refused.contains("another server is running on this store"), "{refused}");
    } else {
        on(&home, &["settle"]).code(0);
    }
    assert!(process.terminate().await.0.success());
}

async fn settle_names_what_it_cannot_settle(backend: Backend) {
    let home = Home::new(backend).await;
    let [tenant, _] = killed(&home).await;
    let mut raw = RawStore::open(&home.location).await;
    // The line and the message of a failure.
    let failed = |home: &Home| {
        let ended = on(home, &["settle"]).code(1);
        assert!(stderr(&ended).contains("1 of 2 tenants are not settled"), "{}", stderr(&ended));
        stdout(&ended)
    };
    let (older, newer) = (APPLY_VERSION - 1, APPLY_VERSION + 1);
    let of = |version: u32| {
        format!("UPDATE head SET apply_version = {version}; UPDATE journal SET apply_version = {version}")
    };
    raw.run(&of(older)).await;
    let output = failed(&home);
    let expected = format!("{tenant}  NOT SETTLED: its entries are of apply version {older}");
    assert!(output.contains(&expected) && output.contains("its checkpoint ends at 0 of 2"), "{output}");
    raw.run(&of(newer)).await;
    let output = stdout(&on(&home, &["settle"]).code(0));
    let expected = format!("{tenant}  taken over by a newer release (apply version {newer})\n");
    assert!(output.contains(&expected), "{output}");
    raw.run(&of(APPLY_VERSION)).await;

    // A server of this release goes on meanwhile.
    let (trigger, drop) = match backend {
        Backend::Embedded => (
            "CREATE TRIGGER go_on AFTER INSERT ON checkpoint BEGIN UPDATE head SET seq = 3 WHERE seq = 2; END",
            "DROP TRIGGER go_on",
        ),
        Backend::Postgres => (
            "CREATE FUNCTION go_on() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN UPDATE head SET seq = 3 WHERE seq = 2; RETURN NULL; END $$;
             CREATE TRIGGER go_on AFTER INSERT ON checkpoint FOR EACH ROW EXECUTE FUNCTION go_on()",
            "DROP FUNCTION go_on CASCADE",
        ),
    };
    raw.run(trigger).await;
    let output = failed(&home);
    let expected = format!("{tenant}  NOT SETTLED: its journal went on to 3: stop the servers of this release first");
    assert!(output.contains(&expected), "{output}");
    raw.run(drop).await;
    raw.run("UPDATE head SET seq = 2 WHERE seq = 3; DELETE FROM state_row; DELETE FROM checkpoint").await;

    raw.run("UPDATE journal SET event = '{}' WHERE seq = 2").await;
    let output = failed(&home);
    assert!(output.contains(&format!("{tenant}  NOT SETTLED: entry 2 of tenant")), "{output}");
    assert_eq!(raw.number("SELECT count(*) FROM checkpoint").await, 0);
}
