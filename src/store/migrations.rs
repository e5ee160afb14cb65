//! The migrations of both backends. Their texts are part of the program.

use std::sync::LazyLock;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::StoreError;

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
    "0015_heartbeats",
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
        Migration::new(number, description.into(), MigrationType::Simple, SqlStr::from_static(text), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// A migration that was applied: its version and the checksum of its statements.
pub(super) type Applied = (i64, Vec<u8>);

/// Returns true if a migration of this program was not applied to the tables.
///
/// [`StoreError::Foreign`] if one was applied that this program does not have, or has with other statements: a newer
/// release may keep data there that this one would not write.
pub(super) fn is_outdated(ours: &Migrator, applied: &[Applied]) -> Result<bool, StoreError> {
    for (version, checksum) in applied {
        match ours.iter().find(|migration| migration.version == *version) {
            None => return Err(StoreError::Foreign(format!("migration {version} is of a newer release"))),
            Some(migration) if *migration.checksum != **checksum => {
                return Err(StoreError::Foreign(format!("migration {version} has other statements")));
            }
            Some(_) => {}
        }
    }
    Ok(ours.iter().any(|migration| !applied.iter().any(|(version, _)| *version == migration.version)))
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
