//! Tenants and keys on PostgreSQL. Each change is one statement, so that a cancelled request cannot leave a part of it.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresStore;
use crate::domain::settings::SettingsPatch;
use crate::domain::{TenantId, Time};
use crate::store::registry::{KeyColumns, PatchColumns, SettingsColumns, TenantColumns, number, scopes_json};
use crate::store::tokens::hash_column;
use crate::store::{KeyRecord, RegistryChanges, RegistryVersion, StoreError, TenantRecord};

/// Appends to a statement, with a first part `made` that makes one change, the parts that publish it to running
/// servers: if `made` returned a row, the registry gets a new version, and the change is listed under it, with `$value` in
/// `$column`: `$1`, the id of the key or tenant, unless it is given. The last thousand changes are kept. Returns the rows
/// of `made`.
macro_rules! noting {
    ($column:literal, $statement:literal $(,)?) => {
        noting!($column, "$1", $statement)
    };
    ($column:literal, $value:literal, $statement:literal $(,)?) => {
        // The factor of the epoch is 2^53: every integer below it has an exact double.
        concat!(
            $statement,
            ", changed AS (
                 UPDATE registry SET version = version + 1, epoch = (random() * 9007199254740992)::bigint
                 WHERE one AND EXISTS (SELECT FROM made) RETURNING version, epoch
             ), noted AS (
                 INSERT INTO registry_change (version, epoch, ",
            $column,
            ") SELECT version, epoch, ",
            $value,
            " FROM changed
             ), trimmed AS (
                 DELETE FROM registry_change WHERE version <= (SELECT version - 1000 FROM changed)
             )
             SELECT * FROM made"
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

    pub(crate) async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantRecord>, StoreError> {
        let row = sqlx::query(
            "SELECT id, name, created, conversation_text, conversation_days, iadvize_secret, desk_lease_seconds,
                    desk_heartbeat_seconds
             FROM tenant WHERE deleted IS NULL AND id = $1",
        )
        .bind(tenant.0)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| tenant_columns(&row)?.read()).transpose()
    }

    pub(crate) async fn change_settings(
        &self,
        tenant: TenantId,
        patch: &SettingsPatch,
        usual_lease: u32,
    ) -> Result<Option<TenantRecord>, StoreError> {
        let change = PatchColumns::from(patch);
        // The terms of desks are those after the change, as `Settings::check` compares them.
        let changed = sqlx::query(noting!(
            "tenant",
            "WITH made AS (
                 UPDATE tenant SET
                     conversation_text = CASE WHEN $2 THEN $3 ELSE conversation_text END,
                     conversation_days = CASE WHEN $4 THEN $5 ELSE conversation_days END,
                     iadvize_secret = CASE WHEN $6 THEN $7 ELSE iadvize_secret END,
                     desk_lease_seconds = CASE WHEN $8 THEN $9 ELSE desk_lease_seconds END,
                     desk_heartbeat_seconds = CASE WHEN $10 THEN $11 ELSE desk_heartbeat_seconds END
                 WHERE id = $1 AND deleted IS NULL AND (NOT ($8 OR $10) OR coalesce(
                     CASE WHEN $10 THEN $11 ELSE desk_heartbeat_seconds END * 2
                         <= coalesce(CASE WHEN $8 THEN $9 ELSE desk_lease_seconds END, $12), true))
                 RETURNING id, name, created, conversation_text, conversation_days, iadvize_secret,
                           desk_lease_seconds, desk_heartbeat_seconds
             )",
        ))
        .bind(tenant.0)
        .bind(change.conversation_text.is_some())
        .bind(change.conversation_text.unwrap_or_default())
        .bind(change.conversation_days.is_some())
        .bind(change.conversation_days.flatten())
        .bind(change.iadvize_secret.is_some())
        .bind(change.iadvize_secret.flatten())
        .bind(change.desk_lease_seconds.is_some())
        .bind(change.desk_lease_seconds.flatten())
        .bind(change.desk_heartbeat_seconds.is_some())
        .bind(change.desk_heartbeat_seconds.flatten())
        .bind(number(usual_lease))
        .fetch_optional(&self.pool)
        .await?;
        changed.map(|row| tenant_columns(&row)?.read()).transpose()
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
        type Change = (i64, i64, Option<Uuid>, Option<Uuid>, Option<Vec<Vec<u8>>>);
        let mut reading = self.pool.acquire().await?;
        let changed: Vec<Change> =
            sqlx::query_as("SELECT version, epoch, tenant, key, tokens FROM registry_change WHERE version >= $1")
                .bind(since.number)
                .fetch_all(&mut *reading)
                .await?;
        if !changed.iter().any(|(number, epoch, ..)| (*number, *epoch) == (since.number, since.epoch)) {
            return Ok(None);
        }
        let newer = || changed.iter().filter(|(number, ..)| *number > since.number);
        // A change that names nothing was of a tenant whose rows are deleted by now.
        if newer().any(|(.., tenant, key, tokens)| tenant.is_none() && key.is_none() && tokens.is_none()) {
            return Ok(None);
        }
        let tenants: HashSet<Uuid> = newer().filter_map(|(_, _, tenant, ..)| *tenant).collect();
        let keys: HashSet<Uuid> = newer().filter_map(|(_, _, _, key, _)| *key).collect();
        let revoked = newer().filter_map(|(.., tokens)| tokens.as_deref()).flatten();
        let revoked = revoked.map(|hash| hash_column(hash)).collect::<Result<_, _>>()?;
        let mut changes = RegistryChanges { revoked, ..RegistryChanges::default() };
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
