//! Tickets on PostgreSQL. Making and using one are a statement each, so that of two servers one uses it.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresStore;
use crate::domain::{TenantId, Time};
use crate::store::{StoreError, TicketRecord};

/// The user in the row of a ticket that is for no user's desk: no user has this id, and the column takes no null.
const NO_USER: i64 = 0;

impl PostgresStore {
    pub(in crate::store) async fn create_ticket(
        &self,
        ticket: &TicketRecord,
        now: Time,
        most: usize,
    ) -> Result<bool, StoreError> {
        // The unused ones are counted up to the limit, in an index that has no others.
        let made = sqlx::query(
            "INSERT INTO ticket (hash, tenant, credential, person, session, expires)
             SELECT $1, $2, $3, $4, $5, $6
             WHERE (SELECT count(*) FROM (
                 SELECT FROM ticket WHERE tenant = $2 AND expires > $7 AND used_by IS NULL
                 AND (person = $9) = ($4 = $9) LIMIT $8) AS unused) < $8",
        )
        .bind(ticket.hash.as_slice())
        .bind(ticket.tenant.0)
        .bind(ticket.credential.as_slice())
        .bind(ticket.user.unwrap_or(NO_USER))
        .bind(ticket.session.as_deref())
        .bind(ticket.expires.micros())
        .bind(now.micros())
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .bind(NO_USER)
        .execute(&self.pool)
        .await?;
        Ok(made.rows_affected() == 1)
    }

    pub(in crate::store) async fn redeem_ticket(
        &self,
        hash: &[u8; 32],
        used_by: Uuid,
        now: Time,
    ) -> Result<Option<TicketRecord>, StoreError> {
        let row = sqlx::query(
            "UPDATE ticket SET used_by = $2 WHERE hash = $1 AND expires > $3 AND (used_by IS NULL OR used_by = $2)
             RETURNING hash, tenant, credential, person, session, expires",
        )
        .bind(hash.as_slice())
        .bind(used_by)
        .bind(now.micros())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| read(&row)).transpose()
    }

    pub(in crate::store) async fn find_ticket(
        &self,
        hash: &[u8; 32],
        now: Time,
    ) -> Result<Option<TicketRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT hash, tenant, credential, person, session, expires
             FROM ticket WHERE hash = $1 AND expires > $2 AND used_by IS NULL",
        )
        .bind(hash.as_slice())
        .bind(now.micros())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| read(&row)).transpose()
    }
}

fn read(row: &PgRow) -> Result<TicketRecord, StoreError> {
    let hash = |name: &str| -> Result<[u8; 32], StoreError> {
        let bytes: &[u8] = row.try_get(name)?;
        bytes.try_into().map_err(|_| StoreError::Unreadable(format!("the {name} of a ticket")))
    };
    let session: Option<&str> = row.try_get("session")?;
    Ok(TicketRecord {
        hash: hash("hash")?,
        tenant: TenantId(row.try_get("tenant")?),
        credential: hash("credential")?,
        user: Some(row.try_get("person")?).filter(|user| *user != NO_USER),
        session: session.map(Box::from),
        expires: Time::from_micros(row.try_get("expires")?),
    })
}
