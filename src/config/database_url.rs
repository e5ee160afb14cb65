//! Reads the URL of a database. No message repeats a part of it, since any part may be a piece of the password.

use sqlx::postgres::PgConnectOptions;

/// Parses the URL. An error explains the problem of the setting.
pub fn parse(url: &str) -> Result<PgConnectOptions, String> {
    let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) else {
        return Err(String::from("--database-url (DATABASE_URL) must begin with postgres://"));
    };
    if is_cut_short(rest) {
        return Err(String::from(
            "--database-url (DATABASE_URL) has an @ behind the host and port. In a user name or password, write %2F for \
             /, %3F for ?, %23 for #, %40 for @, %3A for : and %25 for %",
        ));
    }
    url.parse().map_err(|error| format!("--database-url (DATABASE_URL) cannot be read: {error}"))
}

/// Returns true if the first `/`, `?` or `#`, which ends the host and port, is most likely a part of the password: an
/// `@` follows it, and not in the value of a parameter.
fn is_cut_short(rest: &str) -> bool {
    let Some(end) = rest.find(['/', '?', '#']) else { return false };
    let (authority, rest) = rest.split_at(end);
    let Some(at) = rest.find('@') else { return false };
    let is_value =
        rest.starts_with('/') && rest.find('?').is_some_and(|begin| rest[begin..at.max(begin)].contains('='));
    // Where the host follows an @ of its own, the second one is no user name of a parameter.
    !is_value || authority.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_with_reserved_characters_are_explained() {
        for url in [
            "postgres://user:canary/1@host/database",
            "postgres://user:12/34@host/database",
            "postgres://user:c@n@ry/1@host/database",
            "postgres://user:canary#1@host:5432/database",
            "postgresql://user:canary?1@host/database?sslmode=require",
            "postgres://user:12?x=1@host/database",
            "postgres://user:c@nary?x=1@host/database",
        ] {
            let message = parse(url).unwrap_err();
            assert!(message.contains("DATABASE_URL") && message.contains("%2F for /"), "{url}: {message}");
            assert!(!message.contains("can") && !message.contains("ary"), "{message}");
        }
    }

    #[test]
    fn urls_without_them_are_read() {
        for (url, host, user) in [
            ("postgres://user:canary@host/database", "host", "user"),
            ("postgres://user:canary%2F1%40@host/database?sslmode=disable", "host", "user"),
            // The last @ begins the host.
            ("postgres://user:c@n@ry@host/database", "host", "user"),
            ("postgres://host:5433/database?user=me@server", "host", "me@server"),
            ("postgresql://user@host", "host", "user"),
        ] {
            let options = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((options.get_host(), options.get_username()), (host, user), "{url}");
        }
        assert!(parse("mysql://host/database").unwrap_err().contains("must begin with postgres://"));
        assert!(parse("postgres://host:port/database").unwrap_err().contains("port"));
    }
}
