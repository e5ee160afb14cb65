//! Opens sessions on PostgreSQL: an address, and the settings of every session there.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};

/// The address of a database, and settings that each session is given. They are set by a statement rather than in the
/// startup packet, whose settings a pooler such as PgBouncer rejects or ignores.
#[derive(Clone, Debug)]
pub struct Sessions {
    options: PgConnectOptions,
    settings: Vec<(&'static str, String)>,
}

impl Sessions {
    /// Sessions without settings.
    pub fn new(options: &PgConnectOptions) -> Self {
        // PgBouncer rejects this parameter of the startup packet. The servers' own default prints every digit, too.
        Sessions { options: options.clone().extra_float_digits(None), settings: Vec::new() }
    }

    /// Adds settings. Their names and values are written into a statement as they are.
    #[must_use]
    pub fn with<V: Into<String>>(mut self, settings: impl IntoIterator<Item = (&'static str, V)>) -> Self {
        self.settings.extend(settings.into_iter().map(|(name, value)| (name, value.into())));
        self
    }

    /// Opens a session.
    pub async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        self.apply(&mut connection).await?;
        Ok(connection)
    }

    /// Sets the settings in a session that was opened elsewhere, in one round trip.
    pub async fn apply(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.settings.is_empty() {
            return Ok(());
        }
        let set = |(name, value): &(&str, String)| format!("set_config('{name}', '{value}', false)");
        let statement = format!("SELECT {}", self.settings.iter().map(set).collect::<Vec<_>>().join(", "));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
    }

    /// The address, with which a pool opens its sessions before [`Sessions::apply`].
    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}
