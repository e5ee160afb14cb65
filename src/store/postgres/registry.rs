//! Tenants and keys on a server. Each change is one statement, so that a caller who goes away leaves nothing half done.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresStore;
use crate::domain::{Settings, TenantId, Time};
use crate::store::registry::{KeyColumns, SettingsColumns, TenantColumns, scopes_json};
use crate::store::{KeyRecord, StoreError, TenantRecord};

impl PostgresStore {
    pub(crate) async fn create_tenant(&self, tenant: &TenantRecord) -> Result<bool, StoreError> {
        let settings = SettingsColumns::from(&tenant.settings);
        let added = sqlx::query(
            "WITH added AS (
                 INSERT INTO tenant (id, name, created, conversation_text, conversation_days, iadvize_secret,
                                     desk_lease_seconds, desk_heartbeat_seconds)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
             ), headed AS (
                 INSERT INTO head (tenant) SELECT id FROM added
             ), changed AS (
                 UPDATE registry SET version = version + 1 WHERE EXISTS (SELECT FROM added)
             )
             SELECT id FROM added",
        )
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
             FROM tenant ORDER BY name",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| tenant_columns(row)?.read()).collect()
    }

    pub(crate) async fn set_settings(&self, tenant: TenantId, settings: &Settings) -> Result<bool, StoreError> {
        let settings = SettingsColumns::from(settings);
        let kept = sqlx::query(
            "WITH kept AS (
                 UPDATE tenant SET conversation_text = $2, conversation_days = $3, iadvize_secret = $4,
                                   desk_lease_seconds = $5, desk_heartbeat_seconds = $6
                 WHERE id = $1 RETURNING id
             ), changed AS (
                 UPDATE registry SET version = version + 1 WHERE EXISTS (SELECT FROM kept)
             )
             SELECT id FROM kept",
        )
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
        let added = sqlx::query(
            "WITH added AS (
                 INSERT INTO api_key (id, tenant, name, prefix, hash, scopes, created)
                 SELECT $1, id, $3, $4, $5, $6::jsonb, $7 FROM tenant WHERE id = $2 RETURNING id
             ), changed AS (
                 UPDATE registry SET version = version + 1 WHERE EXISTS (SELECT FROM added)
             )
             SELECT id FROM added",
        )
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
        let revoked = sqlx::query(
            "WITH revoked AS (
                 UPDATE api_key SET revoked = $3 WHERE id = $1 AND tenant = $2 AND revoked IS NULL RETURNING id
             ), changed AS (
                 UPDATE registry SET version = version + 1 WHERE EXISTS (SELECT FROM revoked)
             )
             SELECT id FROM revoked",
        )
        .bind(key)
        .bind(tenant.0)
        .bind(now.micros())
        .fetch_optional(&self.pool)
        .await?;
        Ok(revoked.is_some())
    }

    pub(crate) async fn registry_version(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT version FROM registry").fetch_one(&self.pool).await?)
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
