//! Tenants and keys in a SQLite file.

use std::collections::HashSet;

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Connection, Row};
use uuid::Uuid;

use super::{SqliteStore, uuid};
use crate::domain::settings::SettingsPatch;
use crate::domain::{TenantId, Time};
use crate::store::registry::{KeyColumns, PatchColumns, SettingsColumns, TenantColumns, number, scopes_json};
use crate::store::tokens::hash_column;
use crate::store::{KeyRecord, RegistryChanges, RegistryVersion, StoreError, TenantRecord};

/// The newest changes that are kept.
const MAX_CHANGES: i64 = 1_000;

/// The subject of a change.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    Tenant(TenantId),
    Key(Uuid),
    /// Revoked tokens, by their hashes.
    Tokens(&'a [[u8; 32]]),
}

/// Publishes a change to running servers: gives the registry a new version and lists the change under it.
pub(super) async fn note(writing: &mut SqliteConnection, subject: Subject<'_>) -> Result<(), sqlx::Error> {
    let (tenant, key, tokens) = match subject {
        Subject::Tenant(tenant) => (Some(tenant.to_string()), None, None),
        Subject::Key(key) => (None, Some(key.to_string()), None),
        Subject::Tokens(hashes) => (None, None, Some(hashes.as_flattened())),
    };
    sqlx::query("UPDATE registry SET version = version + 1, epoch = random()").execute(&mut *writing).await?;
    sqlx::query(
        "INSERT INTO registry_change (version, epoch, tenant, key, tokens)
         SELECT version, epoch, ?1, ?2, ?3 FROM registry",
    )
    .bind(tenant)
    .bind(key)
    .bind(tokens)
    .execute(&mut *writing)
    .await?;
    sqlx::query("DELETE FROM registry_change WHERE version <= (SELECT version FROM registry) - ?1")
        .bind(MAX_CHANGES)
        .execute(writing)
        .await?;
    Ok(())
}

impl SqliteStore {
    /// Makes one change and, if it changed a row, publishes it to running servers. Returns false if it changed none.
    async fn change(
        &self,
        subject: Subject<'_>,
        change: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<bool, StoreError> {
        let mut writer = self.acquire().await?;
        let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
        let is_made = change.execute(&mut *writing).await?.rows_affected() == 1;
        if is_made {
            note(&mut writing, subject).await?;
        }
        writing.commit().await?;
        writer.release();
        Ok(is_made)
    }

    pub(crate) async fn create_tenant(&self, tenant: &TenantRecord) -> Result<bool, StoreError> {
        let mut writer = self.acquire().await?;
        let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
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
            note(&mut writing, Subject::Tenant(tenant.id)).await?;
        }
        writing.commit().await?;
        writer.release();
        Ok(added)
    }

    pub(crate) async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM tenant WHERE deleted IS NULL ORDER BY name").fetch_all(&self.reads).await?;
        rows.iter().map(|row| tenant_columns(row)?.read()).collect()
    }

    pub(crate) async fn tenants_after(&self, after: TenantId, limit: u32) -> Result<Vec<TenantRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM tenant WHERE deleted IS NULL AND id > ?1 ORDER BY id LIMIT ?2")
            .bind(after.to_string())
            .bind(limit)
            .fetch_all(&self.reads)
            .await?;
        rows.iter().map(|row| tenant_columns(row)?.read()).collect()
    }

    pub(crate) async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantRecord>, StoreError> {
        let row = sqlx::query("SELECT * FROM tenant WHERE deleted IS NULL AND id = ?1")
            .bind(tenant.to_string())
            .fetch_optional(&self.reads)
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
        let mut writer = self.acquire().await?;
        let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
        // The terms of desks are those after the change, as `Settings::check` compares them.
        let changed = sqlx::query(
            "UPDATE tenant SET
                 conversation_text = CASE WHEN ?2 THEN ?3 ELSE conversation_text END,
                 conversation_days = CASE WHEN ?4 THEN ?5 ELSE conversation_days END,
                 iadvize_secret = CASE WHEN ?6 THEN ?7 ELSE iadvize_secret END,
                 desk_lease_seconds = CASE WHEN ?8 THEN ?9 ELSE desk_lease_seconds END,
                 desk_heartbeat_seconds = CASE WHEN ?10 THEN ?11 ELSE desk_heartbeat_seconds END
             WHERE id = ?1 AND deleted IS NULL AND (NOT (?8 OR ?10) OR coalesce(
                 CASE WHEN ?10 THEN ?11 ELSE desk_heartbeat_seconds END * 2
                     <= coalesce(CASE WHEN ?8 THEN ?9 ELSE desk_lease_seconds END, ?12), true))
             RETURNING *",
        )
        .bind(tenant.to_string())
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
        .fetch_optional(&mut *writing)
        .await?;
        if changed.is_some() {
            note(&mut writing, Subject::Tenant(tenant)).await?;
        }
        writing.commit().await?;
        writer.release();
        changed.map(|row| tenant_columns(&row)?.read()).transpose()
    }

    pub(crate) async fn create_key(&self, key: &KeyRecord) -> Result<bool, StoreError> {
        let change = sqlx::query(
            "INSERT INTO api_key (id, tenant, name, prefix, hash, scopes, created)
             SELECT ?1, id, ?3, ?4, ?5, ?6, ?7 FROM tenant WHERE id = ?2 AND deleted IS NULL",
        )
        .bind(key.id.to_string())
        .bind(key.tenant.to_string())
        .bind(&key.name)
        .bind(&key.prefix)
        .bind(key.hash.as_slice())
        .bind(scopes_json(&key.scopes))
        .bind(key.created.micros());
        self.change(Subject::Key(key.id), change).await
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
        self.change(Subject::Key(key), change).await
    }

    pub(crate) async fn keys_of(&self, tenant: TenantId) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM api_key WHERE tenant = ?1 ORDER BY created, id")
            .bind(tenant.to_string())
            .fetch_all(&self.reads)
            .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn valid_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM api_key WHERE revoked IS NULL
             AND tenant NOT IN (SELECT id FROM tenant WHERE deleted IS NOT NULL) ORDER BY created, id",
        )
        .fetch_all(&self.reads)
        .await?;
        rows.iter().map(|row| columns(row)?.read()).collect()
    }

    pub(crate) async fn registry_version(&self) -> Result<RegistryVersion, StoreError> {
        let row = sqlx::query("SELECT version, epoch FROM registry").fetch_one(&self.reads).await?;
        Ok(RegistryVersion { number: row.try_get(0)?, epoch: row.try_get(1)? })
    }

    pub(crate) async fn registry_changes(&self, since: RegistryVersion) -> Result<Option<RegistryChanges>, StoreError> {
        let mut reading = self.reads.acquire().await?;
        let changed = sqlx::query(
            "SELECT version, epoch, tenant, key, tokens FROM registry_change WHERE version >= ?1 ORDER BY version",
        )
        .bind(since.number)
        .fetch_all(&mut *reading)
        .await?;
        let (mut is_known, mut tenants, mut keys) = (false, HashSet::new(), HashSet::new());
        let mut changes = RegistryChanges::default();
        for row in &changed {
            if row.try_get::<i64, _>("version")? == since.number {
                is_known = row.try_get::<i64, _>("epoch")? == since.epoch;
                continue;
            }
            let (tenant, key) = (row.try_get::<Option<String>, _>("tenant")?, row.try_get::<Option<String>, _>("key")?);
            // A change that names nothing was of a tenant whose rows are deleted by now.
            let tokens: Option<&[u8]> = row.try_get("tokens")?;
            if tenant.is_none() && key.is_none() && tokens.is_none() {
                return Ok(None);
            }
            tenants.extend(tenant);
            keys.extend(key);
            for hash in tokens.unwrap_or_default().chunks(32) {
                changes.revoked.push(hash_column(hash)?);
            }
        }
        if !is_known {
            return Ok(None);
        }
        if !tenants.is_empty() {
            let rows =
                sqlx::query("SELECT * FROM tenant WHERE deleted IS NULL AND id IN (SELECT value FROM json_each(?1))")
                    .bind(serde_json::to_string(&tenants).unwrap_or_default())
                    .fetch_all(&mut *reading)
                    .await?;
            changes.tenants = rows.iter().map(|row| tenant_columns(row)?.read()).collect::<Result<_, _>>()?;
        }
        if !keys.is_empty() {
            let rows = sqlx::query("SELECT * FROM api_key WHERE id IN (SELECT value FROM json_each(?1))")
                .bind(serde_json::to_string(&keys).unwrap_or_default())
                .fetch_all(&mut *reading)
                .await?;
            changes.keys = rows.iter().map(|row| columns(row)?.read()).collect::<Result<_, _>>()?;
        }
        let changed = tenants.iter().map(|id| Ok(TenantId(uuid(id)?))).collect::<Result<_, StoreError>>()?;
        changes.note_deleted(changed);
        Ok(Some(changes))
    }

    pub(crate) async fn admin_hash(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar("SELECT admin_hash FROM registry").fetch_one(&self.reads).await?)
    }

    pub(crate) async fn set_admin_hash(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        let mut writer = self.acquire().await?;
        sqlx::query("UPDATE registry SET admin_hash = ?1").bind(hash.as_slice()).execute(&mut *writer).await?;
        writer.release();
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
