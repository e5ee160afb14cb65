//! Links to wallboards in a SQLite file.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::tokens::{cutting, digits};
use super::{SqliteStore, uuid};
use crate::domain::{TenantId, Time};
use crate::store::links::LinkColumns;
use crate::store::{LinkOf, LinkRecord, StoreError};

impl SqliteStore {
    pub(crate) async fn create_link(&self, link: &LinkRecord, most: u32) -> Result<bool, StoreError> {
        let mut writer = self.acquire().await?;
        let made = sqlx::query(
            "INSERT INTO wallboard_link (hash, tenant, board, names, people, key, created, expires)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
             WHERE (SELECT count(*) FROM wallboard_link WHERE tenant = ?2 AND expires > ?7) < ?9",
        )
        .bind(link.hash.as_slice())
        .bind(link.tenant.to_string())
        .bind(&*link.board)
        .bind(link.names.name())
        .bind(link.people)
        .bind(link.key.map(|id| id.to_string()))
        .bind(link.created.micros())
        .bind(link.expires.micros())
        .bind(most)
        .execute(&mut *writer)
        .await?;
        writer.release();
        Ok(made.rows_affected() == 1)
    }

    pub(crate) async fn links(&self, tenant: TenantId, board: &str, now: Time) -> Result<Vec<LinkRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM wallboard_link WHERE tenant = ?1 AND board = ?2 AND expires > ?3
             ORDER BY created DESC, hash DESC",
        )
        .bind(tenant.to_string())
        .bind(board)
        .bind(now.micros())
        .fetch_all(&self.reads)
        .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn find_links(&self, hashes: &[[u8; 32]]) -> Result<Vec<LinkRecord>, StoreError> {
        let rows = sqlx::query(cutting!("SELECT * FROM wallboard_link WHERE hash IN (SELECT hash FROM wanted)"))
            .bind(digits(hashes))
            .fetch_all(&self.reads)
            .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn see_link(&self, hash: &[u8; 32], now: Time) -> Result<(), StoreError> {
        let mut writer = self.acquire().await?;
        sqlx::query("UPDATE wallboard_link SET seen = ?2 WHERE hash = ?1 AND (seen IS NULL OR seen < ?2)")
            .bind(hash.as_slice())
            .bind(now.micros())
            .execute(&mut *writer)
            .await?;
        writer.release();
        Ok(())
    }

    pub(crate) async fn delete_link(&self, link: LinkOf<'_>, now: Time) -> Result<bool, StoreError> {
        let [first, last] = link.hashes();
        let deletion = sqlx::query(
            "DELETE FROM wallboard_link WHERE tenant = ?1 AND board = ?2 AND hash BETWEEN ?3 AND ?4 AND expires > ?5
             RETURNING hash",
        )
        .bind(link.tenant.to_string())
        .bind(link.board)
        .bind(first.as_slice())
        .bind(last.as_slice())
        .bind(now.micros());
        Ok(!self.revoke(deletion).await?.is_empty())
    }
}

fn columns(row: &SqliteRow) -> Result<LinkColumns, StoreError> {
    Ok(LinkColumns {
        hash: row.try_get("hash")?,
        tenant: uuid(row.try_get("tenant")?)?,
        board: row.try_get("board")?,
        names: row.try_get("names")?,
        people: row.try_get("people")?,
        key: row.try_get::<Option<&str>, _>("key")?.map(uuid).transpose()?,
        created: row.try_get("created")?,
        expires: row.try_get("expires")?,
        seen: row.try_get("seen")?,
    })
}
