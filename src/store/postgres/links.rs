//! Links to wallboards on PostgreSQL. Each change is one statement, so that a cancelled request cannot leave a part of it.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::registry::noting;
use crate::domain::{TenantId, Time};
use crate::store::links::LinkColumns;
use crate::store::{LinkOf, LinkRecord, StoreError};

impl PostgresStore {
    pub(crate) async fn create_link(&self, link: &LinkRecord, most: u32) -> Result<bool, StoreError> {
        let made = sqlx::query(
            "INSERT INTO wallboard_link (hash, tenant, board, names, people, key, created, expires)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8
             WHERE (SELECT count(*) FROM wallboard_link WHERE tenant = $2 AND expires > $7) < $9",
        )
        .bind(link.hash.as_slice())
        .bind(link.tenant.0)
        .bind(&*link.board)
        .bind(link.names.name())
        .bind(link.people)
        .bind(link.key)
        .bind(link.created.micros())
        .bind(link.expires.micros())
        .bind(i64::from(most))
        .execute(&self.pool)
        .await?;
        Ok(made.rows_affected() == 1)
    }

    pub(crate) async fn links(&self, tenant: TenantId, board: &str, now: Time) -> Result<Vec<LinkRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT hash, tenant, board, names, people, key, created, expires, seen
             FROM wallboard_link WHERE tenant = $1 AND board = $2 AND expires > $3
             ORDER BY created DESC, hash DESC",
        )
        .bind(tenant.0)
        .bind(board)
        .bind(now.micros())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn find_links(&self, hashes: &[[u8; 32]]) -> Result<Vec<LinkRecord>, StoreError> {
        let hashes: Vec<&[u8]> = hashes.iter().map(<[u8; 32]>::as_slice).collect();
        let rows = sqlx::query(
            "SELECT hash, tenant, board, names, people, key, created, expires, seen
             FROM wallboard_link WHERE hash = ANY ($1)",
        )
        .bind(hashes)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn see_link(&self, hash: &[u8; 32], now: Time) -> Result<(), StoreError> {
        sqlx::query("UPDATE wallboard_link SET seen = $2 WHERE hash = $1 AND (seen IS NULL OR seen < $2)")
            .bind(hash.as_slice())
            .bind(now.micros())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn delete_link(&self, link: LinkOf<'_>, now: Time) -> Result<bool, StoreError> {
        let [first, last] = link.hashes();
        let deleted = sqlx::query(noting!(
            "tokens",
            "ARRAY(SELECT hash FROM made)",
            "WITH made AS (
                 DELETE FROM wallboard_link
                 WHERE tenant = $1 AND board = $2 AND hash BETWEEN $3 AND $4 AND expires > $5 RETURNING hash
             )",
        ))
        .bind(link.tenant.0)
        .bind(link.board)
        .bind(first.as_slice())
        .bind(last.as_slice())
        .bind(now.micros())
        .fetch_optional(&self.pool)
        .await?;
        Ok(deleted.is_some())
    }
}

fn columns(row: &PgRow) -> Result<LinkColumns, StoreError> {
    Ok(LinkColumns {
        hash: row.try_get("hash")?,
        tenant: row.try_get("tenant")?,
        board: row.try_get("board")?,
        names: row.try_get("names")?,
        people: row.try_get("people")?,
        key: row.try_get("key")?,
        created: row.try_get("created")?,
        expires: row.try_get("expires")?,
        seen: row.try_get("seen")?,
    })
}
