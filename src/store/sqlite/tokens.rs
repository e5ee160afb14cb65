//! Tokens in a SQLite file.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{SqliteStore, uuid};
use crate::domain::Time;
use crate::store::registry::scopes_json;
use crate::store::tokens::{TokenColumns, holder_columns};
use crate::store::{StoreError, TokenRecord};

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

    pub(crate) async fn delete_tokens(&self, hashes: &[[u8; 32]]) -> Result<(), StoreError> {
        // As one text of hexadecimal digits, cut by the statement: a list of parameters has a fixed length.
        let digits: String = hashes.iter().flatten().map(|byte| format!("{byte:02X}")).collect();
        let mut writer = self.acquire().await?;
        sqlx::query(
            "WITH RECURSIVE cut (at) AS (SELECT 1 UNION ALL SELECT at + 64 FROM cut WHERE at + 64 < length(?1))
             DELETE FROM token WHERE hash IN (SELECT unhex(substr(?1, at, 64)) FROM cut)",
        )
        .bind(digits)
        .execute(&mut *writer)
        .await?;
        writer.release();
        Ok(())
    }
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
