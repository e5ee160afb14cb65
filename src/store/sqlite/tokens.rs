//! Tokens in a SQLite file.

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::registry::{Subject, note};
use super::{SqliteStore, uuid};
use crate::domain::{TenantId, Time};
use crate::store::registry::scopes_json;
use crate::store::tokens::{TokenColumns, hash_column, holder_columns};
use crate::store::{Ending, LogInPage, RegistryVersion, StoreError, TokenRecord};

/// Cuts `?1`, hexadecimal digits, into the hashes of the table `wanted`: a list of parameters has a fixed length.
macro_rules! cutting {
    ($statement:literal) => {
        concat!(
            "WITH RECURSIVE cut (at) AS (SELECT 1 UNION ALL SELECT at + 64 FROM cut WHERE at + 64 < length(?1)),
                            wanted (hash) AS (SELECT unhex(substr(?1, at, 64)) FROM cut) ",
            $statement
        )
    };
}
pub(super) use cutting;

impl SqliteStore {
    pub(crate) async fn create_token(&self, token: &TokenRecord) -> Result<(), StoreError> {
        let (key, person, password) = holder_columns(token.holder);
        let mut writer = self.acquire().await?;
        sqlx::query(
            "INSERT INTO token (hash, tenant, key, person, password, scopes, created, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(token.hash.as_slice())
        .bind(token.tenant.to_string())
        .bind(key.map(|id| id.to_string()))
        .bind(person.map(|guid| guid.to_string()))
        .bind(password)
        .bind(scopes_json(&token.scopes))
        .bind(token.created.micros())
        .bind(token.expires.micros())
        .execute(&mut *writer)
        .await?;
        writer.release();
        Ok(())
    }

    pub(crate) async fn tokens(&self, now: Time) -> Result<Vec<TokenRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM token WHERE expires > ?1 ORDER BY created, hash")
            .bind(now.micros())
            .fetch_all(&self.reads)
            .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn look_up(&self, hashes: &[[u8; 32]]) -> Result<(RegistryVersion, Vec<TokenRecord>), StoreError> {
        // The tokens are read first: none is missing that was there when the version was read.
        let rows = sqlx::query(cutting!("SELECT * FROM token WHERE hash IN (SELECT hash FROM wanted)"))
            .bind(digits(hashes))
            .fetch_all(&self.reads)
            .await?;
        let tokens = rows.iter().map(|row| columns(row)?.read()).collect::<Result<_, _>>()?;
        Ok((self.registry_version().await?, tokens))
    }

    pub(crate) async fn log_ins(&self, page: LogInPage) -> Result<Vec<TokenRecord>, StoreError> {
        let (created, hash) = page.place();
        let rows = sqlx::query(
            "SELECT * FROM token
             WHERE tenant = ?1 AND (created, hash) < (?2, ?3) AND person IS NOT NULL AND expires > ?4
             AND (?5 IS NULL OR person = ?5) ORDER BY created DESC, hash DESC LIMIT ?6",
        )
        .bind(page.tenant.to_string())
        .bind(created)
        .bind(hash.as_slice())
        .bind(page.now.micros())
        .bind(page.user.map(|guid| guid.to_string()))
        .bind(page.limit)
        .fetch_all(&self.reads)
        .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn end_log_ins(
        &self,
        tenant: TenantId,
        ending: Ending,
        now: Time,
        limit: u32,
    ) -> Result<Vec<[u8; 32]>, StoreError> {
        let [first, last] = ending.hashes();
        let deletion = sqlx::query(
            "DELETE FROM token WHERE hash IN (
                 SELECT hash FROM token
                 WHERE tenant = ?1 AND hash BETWEEN ?2 AND ?3 AND person IS NOT NULL AND expires > ?4
                 AND (?5 IS NULL OR person = ?5) LIMIT ?6)
             RETURNING hash",
        )
        .bind(tenant.to_string())
        .bind(first.as_slice())
        .bind(last.as_slice())
        .bind(now.micros())
        .bind(ending.user().map(|guid| guid.to_string()))
        .bind(limit);
        self.revoke(deletion).await
    }

    pub(crate) async fn delete_tokens(&self, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        let deletion = cutting!("DELETE FROM token WHERE hash IN (SELECT hash FROM wanted) RETURNING hash");
        self.revoke(sqlx::query(deletion).bind(digits(hashes))).await.map(drop)
    }

    /// Runs a deletion of tokens or links that returns their hashes, and lists them as revoked.
    pub(super) async fn revoke(
        &self,
        deletion: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<Vec<[u8; 32]>, StoreError> {
        let mut writer = self.acquire().await?;
        let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
        let rows = deletion.fetch_all(&mut *writing).await?;
        let hashes = rows.iter().map(|row| hash_column(row.try_get(0)?)).collect::<Result<Vec<_>, _>>()?;
        if !hashes.is_empty() {
            note(&mut writing, Subject::Tokens(&hashes)).await?;
        }
        writing.commit().await?;
        writer.release();
        Ok(hashes)
    }
}

/// Writes hashes as one text of hexadecimal digits.
pub(super) fn digits(hashes: &[[u8; 32]]) -> String {
    hashes.iter().flatten().map(|byte| format!("{byte:02X}")).collect()
}

fn columns(row: &SqliteRow) -> Result<TokenColumns, StoreError> {
    let id = |name: &str| -> Result<Option<Uuid>, StoreError> {
        row.try_get::<Option<&str>, _>(name)?.map(uuid).transpose()
    };
    Ok(TokenColumns {
        hash: row.try_get("hash")?,
        tenant: uuid(row.try_get("tenant")?)?,
        key: id("key")?,
        person: id("person")?,
        password: row.try_get("password")?,
        scopes: row.try_get("scopes")?,
        created: row.try_get("created")?,
        expires: row.try_get("expires")?,
    })
}
