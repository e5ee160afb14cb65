//! Tokens on PostgreSQL. Each change is one statement, so that a cancelled request cannot leave a part of it.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::registry::noting;
use crate::domain::{TenantId, Time};
use crate::store::registry::scopes_json;
use crate::store::tokens::{TokenColumns, hash_column, holder_columns};
use crate::store::{Ending, LogInPage, RegistryVersion, StoreError, TokenRecord};

impl PostgresStore {
    pub(crate) async fn create_token(&self, token: &TokenRecord) -> Result<(), StoreError> {
        let (key, person, password) = holder_columns(token.holder);
        sqlx::query(
            "INSERT INTO token (hash, tenant, key, person, password, scopes, created, expires)
             VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8)",
        )
        .bind(token.hash.as_slice())
        .bind(token.tenant.0)
        .bind(key)
        .bind(person)
        .bind(password)
        .bind(scopes_json(&token.scopes))
        .bind(token.created.micros())
        .bind(token.expires.micros())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn tokens(&self, now: Time) -> Result<Vec<TokenRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT hash, tenant, key, person, password, scopes::text AS scopes, created, expires
             FROM token WHERE expires > $1 ORDER BY created, hash",
        )
        .bind(now.micros())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    /// One statement, so that version and tokens are of one moment, and a guess costs one round trip.
    pub(crate) async fn look_up(&self, hashes: &[[u8; 32]]) -> Result<(RegistryVersion, Vec<TokenRecord>), StoreError> {
        let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
        let rows = sqlx::query(
            "SELECT r.version, r.epoch, hash, tenant, key, person, password, scopes::text AS scopes, created, expires
             FROM registry r LEFT JOIN token ON hash = ANY ($1)",
        )
        .bind(hashes)
        .fetch_all(&self.pool)
        .await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let version = RegistryVersion { number: first.try_get("version")?, epoch: first.try_get("epoch")? };
        // Without a token there is one row, of the version alone.
        let found = rows.iter().filter(|row| matches!(row.try_get::<Option<&[u8]>, _>("hash"), Ok(Some(_))));
        let tokens = found.map(|row| columns(row)?.read()).collect::<Result<_, _>>()?;
        Ok((version, tokens))
    }

    pub(crate) async fn log_ins(&self, page: LogInPage) -> Result<Vec<TokenRecord>, StoreError> {
        let (created, hash) = page.place();
        let rows = sqlx::query(
            "SELECT hash, tenant, key, person, password, scopes::text AS scopes, created, expires
             FROM token WHERE tenant = $1 AND (created, hash) < ($2, $3) AND person IS NOT NULL AND expires > $4
             AND ($5::uuid IS NULL OR person = $5) ORDER BY created DESC, hash DESC LIMIT $6",
        )
        .bind(page.tenant.0)
        .bind(created)
        .bind(hash.as_slice())
        .bind(page.now.micros())
        .bind(page.user)
        .bind(i64::from(page.limit))
        .fetch_all(&self.pool)
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
        // Locked in the order of hashes, so that two of these wait for each other instead of both.
        let ended: Vec<Vec<u8>> = sqlx::query_scalar(noting!(
            "tokens",
            "ARRAY(SELECT hash FROM made)",
            "WITH listed AS (
                 SELECT hash FROM token
                 WHERE tenant = $1 AND hash BETWEEN $2 AND $3 AND person IS NOT NULL AND expires > $4
                 AND ($5::uuid IS NULL OR person = $5) ORDER BY hash LIMIT $6 FOR UPDATE
             ), made AS (
                 DELETE FROM token WHERE hash = ANY (ARRAY(SELECT hash FROM listed)) RETURNING hash
             )",
        ))
        .bind(tenant.0)
        .bind(first.as_slice())
        .bind(last.as_slice())
        .bind(now.micros())
        .bind(ending.user())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        ended.iter().map(|hash| hash_column(hash)).collect()
    }

    pub(crate) async fn delete_tokens(&self, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
        sqlx::query(noting!(
            "tokens",
            "ARRAY(SELECT hash FROM made)",
            "WITH made AS (DELETE FROM token WHERE hash = ANY ($1) RETURNING hash)",
        ))
        .bind(hashes)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn columns(row: &PgRow) -> Result<TokenColumns, StoreError> {
    Ok(TokenColumns {
        hash: row.try_get("hash")?,
        tenant: row.try_get("tenant")?,
        key: row.try_get("key")?,
        person: row.try_get("person")?,
        password: row.try_get("password")?,
        scopes: row.try_get("scopes")?,
        created: row.try_get("created")?,
        expires: row.try_get("expires")?,
    })
}
