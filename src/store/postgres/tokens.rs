//! Tokens on PostgreSQL. Each change is one statement, so that a cancelled request cannot leave a part of it.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use crate::domain::Time;
use crate::store::registry::scopes_json;
use crate::store::tokens::{TokenColumns, holder_columns};
use crate::store::{StoreError, TokenRecord};

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

    pub(crate) async fn delete_tokens(&self, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
        sqlx::query("DELETE FROM token WHERE hash = ANY ($1)").bind(hashes).execute(&self.pool).await?;
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
