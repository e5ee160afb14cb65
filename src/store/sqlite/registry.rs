//! Tenants and keys in a file.

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::{SqliteStore, uuid};
use crate::domain::{Settings, TenantId, Time};
use crate::store::registry::{KeyColumns, SettingsColumns, TenantColumns, scopes_json};
use crate::store::{KeyRecord, StoreError, TenantRecord};

const CHANGED: &str = "UPDATE registry SET version = version + 1";

impl SqliteStore {
    /// Makes one change, and has running servers notice it, if there is anything that it changes.
    async fn change(&self, change: Query<'_, Sqlite, SqliteArguments>) -> Result<bool, StoreError> {
        let mut held = self.hold().await?;
        let mut writing = held.begin_with("BEGIN IMMEDIATE").await?;
        let is_made = change.execute(&mut *writing).await?.rows_affected() == 1;
        if is_made {
            sqlx::query(CHANGED).execute(&mut *writing).await?;
        }
        writing.commit().await?;
        held.give_back();
        Ok(is_made)
    }

    pub(crate) async fn create_tenant(&self, tenant: &TenantRecord) -> Result<bool, StoreError> {
        let mut held = self.hold().await?;
        let mut writing = held.begin_with("BEGIN IMMEDIATE").await?;
        let settings = SettingsColumns::from(&tenant.settings);
        let added = sqlx::query(
            "INSERT INTO tenant (id, name, created, conversation_text, conversation_days, iadvize_secret,
                                 desk_lease_seconds, desk_heartbeat_seconds)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )
        .bind(tenant.id.to_string())
        .bind(&tenant.name)
        .bind(tenant.created.micros())
        .bind(settings.conversation_text)
        .bind(settings.conversation_days)
        .bind(settings.iadvize_secret)
        .bind(settings.desk_lease_seconds)
        .bind(settings.desk_heartbeat_seconds)
        .execute(&mut *writing)
        .await?
        .rows_affected()
            == 1;
        if added {
            sqlx::query("INSERT INTO head (tenant) VALUES (?1)")
                .bind(tenant.id.to_string())
                .execute(&mut *writing)
                .await?;
            sqlx::query(CHANGED).execute(&mut *writing).await?;
        }
        writing.commit().await?;
        held.give_back();
        Ok(added)
    }

    pub(crate) async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM tenant ORDER BY name").fetch_all(&self.reads).await?;
        rows.iter().map(|row| tenant_columns(row)?.read()).collect()
    }

    pub(crate) async fn set_settings(&self, tenant: TenantId, settings: &Settings) -> Result<bool, StoreError> {
        let settings = SettingsColumns::from(settings);
        let change = sqlx::query(
            "UPDATE tenant SET conversation_text = ?2, conversation_days = ?3, iadvize_secret = ?4,
                               desk_lease_seconds = ?5, desk_heartbeat_seconds = ?6
             WHERE id = ?1",
        )
        .bind(tenant.to_string())
        .bind(settings.conversation_text)
        .bind(settings.conversation_days)
        .bind(settings.iadvize_secret)
        .bind(settings.desk_lease_seconds)
        .bind(settings.desk_heartbeat_seconds);
        self.change(change).await
    }

    pub(crate) async fn create_key(&self, key: &KeyRecord) -> Result<bool, StoreError> {
        let change = sqlx::query(
            "INSERT INTO api_key (id, tenant, name, prefix, hash, scopes, created)
             SELECT ?1, id, ?3, ?4, ?5, ?6, ?7 FROM tenant WHERE id = ?2",
        )
        .bind(key.id.to_string())
        .bind(key.tenant.to_string())
        .bind(&key.name)
        .bind(&key.prefix)
        .bind(key.hash.as_slice())
        .bind(scopes_json(&key.scopes))
        .bind(key.created.micros());
        self.change(change).await
    }

    pub(crate) async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM api_key ORDER BY created, id").fetch_all(&self.reads).await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn revoke_key(&self, tenant: TenantId, key: Uuid, now: Time) -> Result<bool, StoreError> {
        let change = sqlx::query("UPDATE api_key SET revoked = ?3 WHERE id = ?1 AND tenant = ?2 AND revoked IS NULL")
            .bind(key.to_string())
            .bind(tenant.to_string())
            .bind(now.micros());
        self.change(change).await
    }

    pub(crate) async fn registry_version(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT version FROM registry").fetch_one(&self.reads).await?)
    }

    pub(crate) async fn admin_hash(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar("SELECT admin_hash FROM registry").fetch_one(&self.reads).await?)
    }

    pub(crate) async fn set_admin_hash(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        let mut held = self.hold().await?;
        sqlx::query("UPDATE registry SET admin_hash = ?1").bind(hash.as_slice()).execute(&mut *held).await?;
        held.give_back();
        Ok(())
    }
}

fn tenant_columns(row: &SqliteRow) -> Result<TenantColumns, StoreError> {
    Ok(TenantColumns {
        id: uuid(row.try_get("id")?)?,
        name: row.try_get("name")?,
        created: row.try_get("created")?,
        conversation_text: row.try_get("conversation_text")?,
        conversation_days: row.try_get("conversation_days")?,
        iadvize_secret: row.try_get("iadvize_secret")?,
        desk_lease_seconds: row.try_get("desk_lease_seconds")?,
        desk_heartbeat_seconds: row.try_get("desk_heartbeat_seconds")?,
    })
}

fn columns(row: &SqliteRow) -> Result<KeyColumns, StoreError> {
    Ok(KeyColumns {
        id: uuid(row.try_get("id")?)?,
        tenant: uuid(row.try_get("tenant")?)?,
        name: row.try_get("name")?,
        prefix: row.try_get("prefix")?,
        hash: row.try_get("hash")?,
        scopes: row.try_get("scopes")?,
        created: row.try_get("created")?,
        revoked: row.try_get("revoked")?,
    })
}
