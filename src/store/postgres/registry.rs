//! Tenants and keys on PostgreSQL. Each change is one statement, so that a cancelled request cannot leave a part of it.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresStore;
use crate::domain::{Settings, TenantId, Time};
use crate::store::registry::{KeyColumns, SettingsColumns, TenantColumns, scopes_json};
use crate::store::{KeyRecord, RegistryChanges, RegistryVersion, StoreError, TenantRecord};

/// Appends to a statement, with a first part `made` that makes one change, the parts that publish it to running
/// servers: if `made` returned a row, the registry gets a new version, and the change is listed under it. The last
/// thousand changes are kept. `$1` is the id of the key or tenant.
macro_rules! noting {
    ($column:literal, $statement:literal $(,)?) => {
        // The factor of the epoch is 2^53: every integer below it has an exact double.
        concat!(
            $statement,
            ", changed AS (
                 UPDATE registry SET version = version + 1, epoch = (random() * 9007199254740992)::bigint
                 WHERE one AND EXISTS (SELECT FROM made) RETURNING version, epoch
             ), noted AS (
                 INSERT INTO registry_change (version, epoch, ",
            $column,
            ") SELECT version, epoch, $1 FROM changed
             ), trimmed AS (
                 DELETE FROM registry_change WHERE version <= (SELECT version - 1000 FROM changed)
             )
             SELECT id FROM made"
        )
    };
}
pub(super) use noting;

impl PostgresStore {
    pub(crate) async fn create_tenant(&self, tenant: &TenantRecord) -> Result<bool, StoreError> {
        let settings = SettingsColumns::from(&tenant.settings);
        let added = sqlx::query(noting!(
            "tenant",
            "WITH made AS (
                 INSERT INTO tenant (id, name, created, conversation_text, conversation_days, iadvize_secret,
                                     desk_lease_seconds, desk_heartbeat_seconds)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
             ), headed AS (
                 INSERT INTO head (tenant) SELECT id FROM made
             )",
        ))
        .bind(tenant.id.0)
        .bind(&tenant.name)
        .bind(tenant.created.micros())
        .bind(settings.conversation_text)
        .bind(settings.conversation_days)
        .bind(settings.iadvize_secret)
        .bind(settings.desk_lease_seconds)
        .bind(settings.desk_heartbeat_seconds)
        .fetch_optional(&self.pool)
        .await?;
        Ok(added.is_some())
    }

    pub(crate) async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, name, created, conversation_text, conversation_days, iadvize_secret, desk_lease_seconds,
                    desk_heartbeat_seconds
             FROM tenant WHERE deleted IS NULL ORDER BY name",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| tenant_columns(row)?.read()).collect()
    }

    pub(crate) async fn tenants_after(&self, after: TenantId, limit: u32) -> Result<Vec<TenantRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, name, created, conversation_text, conversation_days, iadvize_secret, desk_lease_seconds,
                    desk_heartbeat_seconds
             FROM tenant WHERE deleted IS NULL AND id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after.0)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| tenant_columns(row)?.read()).collect()
    }

    pub(crate) async fn set_settings(&self, tenant: TenantId, settings: &Settings) -> Result<bool, StoreError> {
        let settings = SettingsColumns::from(settings);
        let kept = sqlx::query(noting!(
            "tenant",
            "WITH made AS (
                 UPDATE tenant SET conversation_text = $2, conversation_days = $3, iadvize_secret = $4,
                                   desk_lease_seconds = $5, desk_heartbeat_seconds = $6
                 WHERE id = $1 AND deleted IS NULL RETURNING id
             )",
        ))
        .bind(tenant.0)
        .bind(settings.conversation_text)
        .bind(settings.conversation_days)
        .bind(settings.iadvize_secret)
        .bind(settings.desk_lease_seconds)
        .bind(settings.desk_heartbeat_seconds)
        .fetch_optional(&self.pool)
        .await?;
        Ok(kept.is_some())
    }

    pub(crate) async fn create_key(&self, key: &KeyRecord) -> Result<bool, StoreError> {
        let added = sqlx::query(noting!(
            "key",
            "WITH made AS (
                 INSERT INTO api_key (id, tenant, name, prefix, hash, scopes, created)
                 SELECT $1, id, $3, $4, $5, $6::jsonb, $7 FROM tenant WHERE id = $2 AND deleted IS NULL RETURNING id
             )",
        ))
        .bind(key.id)
        .bind(key.tenant.0)
        .bind(&key.name)
        .bind(&key.prefix)
        .bind(key.hash.as_slice())
        .bind(scopes_json(&key.scopes))
        .bind(key.created.micros())
        .fetch_optional(&self.pool)
        .await?;
        Ok(added.is_some())
    }

    pub(crate) async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, tenant, name, prefix, hash, scopes::text AS scopes, created, revoked
             FROM api_key ORDER BY created, id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn revoke_key(&self, tenant: TenantId, key: Uuid, now: Time) -> Result<bool, StoreError> {
        let revoked = sqlx::query(noting!(
            "key",
            "WITH made AS (
                 UPDATE api_key SET revoked = $3 WHERE id = $1 AND tenant = $2 AND revoked IS NULL RETURNING id
             )",
        ))
        .bind(key)
        .bind(tenant.0)
        .bind(now.micros())
        .fetch_optional(&self.pool)
        .await?;
        Ok(revoked.is_some())
    }

    pub(crate) async fn keys_of(&self, tenant: TenantId) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, tenant, name, prefix, hash, scopes::text AS scopes, created, revoked
             FROM api_key WHERE tenant = $1 ORDER BY created, id",
        )
        .bind(tenant.0)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn valid_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, tenant, name, prefix, hash, scopes::text AS scopes, created, revoked
             FROM api_key WHERE revoked IS NULL
             AND tenant NOT IN (SELECT id FROM tenant WHERE deleted IS NOT NULL) ORDER BY created, id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn registry_version(&self) -> Result<RegistryVersion, StoreError> {
        let row = sqlx::query("SELECT version, epoch FROM registry").fetch_one(&self.pool).await?;
        Ok(RegistryVersion { number: row.try_get(0)?, epoch: row.try_get(1)? })
    }

    /// Uses one connection for all its statements: each checkout from the pool costs a round trip, and a caller waits.
    pub(crate) async fn registry_changes(&self, since: RegistryVersion) -> Result<Option<RegistryChanges>, StoreError> {
        let mut reading = self.pool.acquire().await?;
        let changed: Vec<(i64, i64, Option<Uuid>, Option<Uuid>)> =
            sqlx::query_as("SELECT version, epoch, tenant, key FROM registry_change WHERE version >= $1")
                .bind(since.number)
                .fetch_all(&mut *reading)
                .await?;
        if !changed.iter().any(|(number, epoch, ..)| (*number, *epoch) == (since.number, since.epoch)) {
            return Ok(None);
        }
        // A change that names nothing was of a tenant whose rows are deleted by now.
        if changed.iter().any(|(number, _, tenant, key)| *number > since.number && tenant.is_none() && key.is_none()) {
            return Ok(None);
        }
        let newer = || changed.iter().filter(|(number, ..)| *number > since.number);
        let tenants: HashSet<Uuid> = newer().filter_map(|(_, _, tenant, _)| *tenant).collect();
        let keys: HashSet<Uuid> = newer().filter_map(|(_, _, _, key)| *key).collect();
        let mut changes = RegistryChanges::default();
        if !tenants.is_empty() {
            let rows = sqlx::query(
                "SELECT id, name, created, conversation_text, conversation_days, iadvize_secret, desk_lease_seconds,
                        desk_heartbeat_seconds
                 FROM tenant WHERE deleted IS NULL AND id = ANY ($1)",
            )
            .bind(tenants.iter().copied().collect::<Vec<_>>())
            .fetch_all(&mut *reading)
            .await?;
            changes.tenants = rows.iter().map(|row| tenant_columns(row)?.read()).collect::<Result<_, _>>()?;
        }
        if !keys.is_empty() {
            let rows = sqlx::query(
                "SELECT id, tenant, name, prefix, hash, scopes::text AS scopes, created, revoked
                 FROM api_key WHERE id = ANY ($1)",
            )
            .bind(keys.into_iter().collect::<Vec<_>>())
            .fetch_all(&mut *reading)
            .await?;
            changes.keys = rows.iter().map(|row| columns(row)?.read()).collect::<Result<_, _>>()?;
        }
        changes.note_deleted(tenants.into_iter().map(TenantId).collect());
        Ok(Some(changes))
    }

    pub(crate) async fn admin_hash(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar("SELECT admin_hash FROM registry").fetch_one(&self.pool).await?)
    }

    pub(crate) async fn set_admin_hash(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        sqlx::query("UPDATE registry SET admin_hash = $1").bind(hash.as_slice()).execute(&self.pool).await?;
        Ok(())
    }
}

fn tenant_columns(row: &PgRow) -> Result<TenantColumns, StoreError> {
    Ok(TenantColumns {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created: row.try_get("created")?,
        conversation_text: row.try_get("conversation_text")?,
        conversation_days: row.try_get("conversation_days")?,
        iadvize_secret: row.try_get("iadvize_secret")?,
        desk_lease_seconds: row.try_get("desk_lease_seconds")?,
        desk_heartbeat_seconds: row.try_get("desk_heartbeat_seconds")?,
    })
}

fn columns(row: &PgRow) -> Result<KeyColumns, StoreError> {
    Ok(KeyColumns {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        name: row.try_get("name")?,
        prefix: row.try_get("prefix")?,
        hash: row.try_get("hash")?,
        scopes: row.try_get("scopes")?,
        created: row.try_get("created")?,
        revoked: row.try_get("revoked")?,
    })
}
