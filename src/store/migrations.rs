//! The migrations of both backends. Their texts are part of the program.

use std::sync::LazyLock;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::{Purpose, StoreError};

/// Includes the files of these names from the folder of each backend.
macro_rules! include {
    ($($name:literal),* $(,)?) => {
        const SQLITE_FILES: &[File] =
            &[$(($name, include_str!(concat!("../../migrations/sqlite/", $name, ".sql")))),*];
        const POSTGRES_FILES: &[File] =
            &[$(($name, include_str!(concat!("../../migrations/postgres/", $name, ".sql")))),*];
    };
}

include!(
    "0001_journal",
    "0002_state",
    "0003_registry",
    "0004_token",
    "0005_settings",
    "0006_archive",
    "0007_desk",
    "0008_batches",
    "0009_checkpoint_slices",
    "0010_registry_changes",
    "0011_replica",
    "0012_tenant_deletion",
    "0013_archive_tags",
    "0014_shared",
    "0015_heartbeats",
    "0016_wallboard_link",
    "0017_duties",
    "0018_log_in_attempts",
    "0019_releases",
    "0020_state_text",
);

/// A migration's name, without the ending, and its statements.
type File = (&'static str, &'static str);

// `sqlx::migrate!` would read the folders by itself, but it compiles both drivers, SQLite and the TLS library a second
// time, for use inside the compiler (docs/decisions/0051-first-build.md).
/// The migrations of the SQLite file.
pub static SQLITE: LazyLock<Migrator> = LazyLock::new(|| migrator(SQLITE_FILES));
/// The migrations of the PostgreSQL database.
pub static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| migrator(POSTGRES_FILES));

/// Takes number and description from the files' names. A store records the checksum of each statement text that was
/// applied.
fn migrator(files: &[File]) -> Migrator {
    let migrations = files.iter().map(|(name, text)| {
        let (number, description) = name.split_once('_').unwrap_or_default();
        // Names are constants of this file; the test below compares what is read from them.
        let number = number.parse().unwrap_or_default();
        let description = description.replace('_', " ");
        // As sqlx has it: `CREATE INDEX CONCURRENTLY` cannot be in a transaction.
        let no_tx = text.starts_with("-- no-transaction");
        Migration::new(number, description.into(), MigrationType::Simple, SqlStr::from_static(text), no_tx)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // A newer release may have migrated the store: `compare` decides whether this one can use it.
    migrator.set_ignore_missing(true);
    migrator
}

/// The newest migration that needs the store alone: its release is the first that compares apply versions when it appends,
/// and can use tables of newer releases, and it rewrites a table. Tables before it are migrated while no server runs; those
/// after it also beside servers, which the migration must not disturb.
const NEWEST_ALONE: i64 = 20;

/// The table in which sqlx notes migrations.
pub(super) const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// A migration that was applied: its version and the checksum of its statements.
pub(super) type Applied = (i64, Vec<u8>);

/// The migrations that were applied to a database.
pub(super) struct Found {
    pub applied: Vec<Applied>,
    /// The oldest release that can use the tables, by its newest migration; `None` in tables of releases that do not have it.
    pub oldest: Option<i64>,
    /// The tables where a store's would be made.
    pub names: Vec<String>,
}

/// The tables of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tables {
    /// It has none.
    Missing,
    /// They are a store's, and a migration of this program was not applied.
    Older {
        /// The newest migration that was applied.
        found: i64,
        /// The newest migration of this program.
        ours: i64,
    },
    /// They are a store's, as this program writes them, or as a newer release made them, which this one can use.
    Current,
}

impl Tables {
    /// Returns true if the tables are to be made or migrated while no server runs on them.
    pub const fn need_the_store_alone(self) -> bool {
        match self {
            Tables::Missing => true,
            Tables::Older { found, .. } => found < NEWEST_ALONE,
            Tables::Current => false,
        }
    }

    /// Returns the tables, unless the purpose needs others. `makers` names the commands that make them.
    pub fn fit(self, purpose: Purpose, makers: &'static str) -> Result<Self, StoreError> {
        match (self, purpose) {
            (Tables::Missing, Purpose::Read | Purpose::Write) => Err(StoreError::Missing(makers)),
            (Tables::Older { found, ours }, Purpose::Read) => Err(StoreError::Older { found, ours }),
            (tables, _) => Ok(tables),
        }
    }
}

/// Most names of another program's tables in an error.
const NAMES: usize = 3;

/// The table that has the oldest release.
pub(super) const COMPATIBILITY_TABLE: &str = "compatibility";

/// Compares the migrations that were applied to a database with those of this program. `place` is what the tables are in.
///
/// [`StoreError::NotOurs`] if there are tables, and none of the migrations is ours. [`StoreError::Foreign`] if one was applied
/// with other statements, or by a newer release whose tables this one cannot use: that may keep data there which this one
/// would not write.
pub(super) fn compare(ours: &Migrator, found: &Found, place: &str) -> Result<Tables, StoreError> {
    let Found { applied, oldest, names } = found;
    let own = |version: i64| ours.iter().find(|migration| migration.version == version);
    let is_ours = |(version, checksum): &Applied| own(*version).is_some_and(|one| *one.checksum == **checksum);
    if !applied.iter().any(is_ours) {
        // sqlx makes its table first: a start that was killed then leaves that alone.
        let others: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| !applied.is_empty() || *name != MIGRATIONS_TABLE).collect();
        if others.is_empty() {
            return Ok(Tables::Missing);
        }
        let more = if others.len() > NAMES { format!(" and {} more", others.len() - NAMES) } else { String::new() };
        let listed = others[..others.len().min(NAMES)].join(", ");
        return Err(StoreError::NotOurs(format!("{place} has the tables of another program: {listed}{more}")));
    }
    let newest = ours.iter().map(|migration| migration.version).max().unwrap_or_default();
    let program = format!("rollcall {}, whose newest is {newest}", env!("CARGO_PKG_VERSION"));
    for (version, checksum) in applied {
        let why = match own(*version) {
            // Newer releases add what this one does not look at, and say so where they take something away.
            None if *version > newest => continue,
            None => format!("migration {version} is none of {program}"),
            Some(migration) if *migration.checksum != **checksum => format!("migration {version} has other statements"),
            Some(_) => continue,
        };
        return Err(StoreError::Foreign(why));
    }
    if let Some(oldest) = oldest.filter(|oldest| *oldest > newest) {
        let why = format!("only releases with migration {oldest} can use them, which is newer than {program}");
        return Err(StoreError::Foreign(why));
    }
    let is_current = ours.iter().all(|migration| applied.iter().any(|(version, _)| *version == migration.version));
    let found = applied.iter().map(|(version, _)| *version).max().unwrap_or_default();
    Ok(if is_current { Tables::Current } else { Tables::Older { found, ours: newest } })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sqlx's own reading of the folders finds the same numbers, descriptions and checksums: stores that were migrated
    /// with its macro stay readable, and no file is missing in the list.
    #[tokio::test]
    async fn every_file_is_listed_in_order() {
        for (folder, ours) in [("sqlite", &SQLITE), ("postgres", &POSTGRES)] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let read = Migrator::new(path).await.expect("the folder");
            let parts = |migrator: &Migrator| {
                let all = migrator.iter();
                all.map(|one| (one.version, one.description.clone(), one.checksum.clone(), one.no_tx))
                    .collect::<Vec<_>>()
            };
            assert_eq!(parts(ours), parts(&read), "{folder}");
        }
    }
}
