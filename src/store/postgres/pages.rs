//! Reads the rows of all checkpoints from PostgreSQL, in the order in which they lie in the table: neither an index nor a
//! sort is needed, and a large tenant is read by as many connections as there are.

use std::str;

use futures_util::TryStreamExt;
use uuid::Uuid;

use super::{CheckpointReader, PostgresStore};
use crate::domain::TenantId;
use crate::store::StoreError;
use crate::store::load::{CheckpointMark, Page, PageRow};

/// Blocks of the table in a part: 1 MiB of rows, so that the round trip hardly matters.
const PART_BLOCKS: i64 = 128;
/// The signature of COPY's binary format, and the length of the header that begins with it, without its extension.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const HEADER_BYTES: usize = SIGNATURE.len() + 8;

/// Blocks of the table `state_row`.
#[derive(Debug)]
pub struct Part {
    from: i64,
    /// `None` for all that follow.
    to: Option<i64>,
}

impl PostgresStore {
    /// Opens up to `wanted` connections, but no more than there are parts. The first one exports its snapshot and the
    /// others import it, so that all see the same data.
    pub(crate) async fn read_checkpoints(
        &self,
        wanted: usize,
    ) -> Result<(Vec<CheckpointMark>, Vec<CheckpointReader>, Vec<Part>), StoreError> {
        let mut first = self.checkpoint_reader(None).await?;
        let (marks, parts) = (first.marks().await?, first.parts().await?);
        let others = wanted.min(parts.len()).saturating_sub(1);
        let mut readers = Vec::new();
        if others > 0 {
            let snapshot: String = sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&mut first.0).await?;
            for _ in 0..others {
                readers.push(self.checkpoint_reader(Some(&snapshot)).await?);
            }
        }
        readers.push(first);
        Ok((marks, readers, parts))
    }
}

impl CheckpointReader {
    async fn marks(&mut self) -> Result<Vec<CheckpointMark>, StoreError> {
        let marks = sqlx::query_as("SELECT tenant, position, batch FROM checkpoint ORDER BY tenant");
        let marks: Vec<(Uuid, i64, Option<Uuid>)> = marks.fetch_all(&mut self.0).await?;
        let marks = marks.into_iter();
        Ok(marks
            .map(|(tenant, at, batch)| CheckpointMark { tenant: TenantId(tenant), position: at as u64, batch })
            .collect())
    }

    async fn parts(&mut self) -> Result<Vec<Part>, StoreError> {
        // Rows that the snapshot shows were in the table before, so that none lies beyond the blocks of now. The last part
        // has no end nevertheless.
        let blocks = "SELECT pg_relation_size('state_row') / current_setting('block_size')::bigint";
        let blocks: i64 = sqlx::query_scalar(blocks).fetch_one(&mut self.0).await?;
        let last = (blocks - 1).max(0) / PART_BLOCKS;
        let part = |n| Part { from: n * PART_BLOCKS, to: (n < last).then_some((n + 1) * PART_BLOCKS) };
        Ok((0..=last).map(part).collect())
    }

    pub(crate) async fn page(&mut self, part: Part) -> Result<Page, StoreError> {
        let until = part.to.map(|to| format!("AND ctid < '({to},0)'")).unwrap_or_default();
        // COPY takes no parameters; these are numbers.
        let copy = format!(
            "COPY (SELECT tenant, kind, key, body FROM state_row WHERE ctid >= '({},0)' {until})
             TO STDOUT (FORMAT binary)",
            part.from
        );
        let mut copied = Vec::with_capacity(PART_BLOCKS as usize * 8_192);
        let mut stream = self.0.copy_out_raw(&copy).await?;
        while let Some(bytes) = stream.try_next().await? {
            copied.extend_from_slice(&bytes);
        }
        parse(&copied).ok_or_else(|| StoreError::Unreadable(String::from("the rows of checkpoints as COPY sends them")))
    }
}

/// Parses the binary format of COPY. `None` if it is malformed.
fn parse(copied: &[u8]) -> Option<Page> {
    let mut rest = copied.strip_prefix(SIGNATURE)?;
    // Flags, of which none is expected, and the length of an extension.
    take(&mut rest, HEADER_BYTES - SIGNATURE.len() - 4)?;
    let extension = usize::try_from(length(&mut rest)?).ok()?;
    take(&mut rest, extension)?;
    let mut page = Page::default();
    loop {
        let fields = i16::from_be_bytes(take(&mut rest, 2)?.try_into().ok()?);
        if fields == -1 {
            return rest.is_empty().then_some(page);
        }
        let tenant = Uuid::from_slice(field(&mut rest)?).ok()?;
        let mut text = || str::from_utf8(field(&mut rest)?).ok();
        let row = PageRow { tenant: TenantId(tenant), kind: text()?, key: text()?, body: text()? };
        if fields != 4 {
            return None;
        }
        page.push(row);
    }
}

/// Takes a field with its length before it. `None` for NULL, which no column has.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(length(rest)?).ok()?;
    take(rest, length)
}

fn length(rest: &mut &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(take(rest, 4)?.try_into().ok()?))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what COPY sends for these rows of text, all of one tenant.
    fn copied(rows: &[[&str; 3]]) -> Vec<u8> {
        let mut bytes = [SIGNATURE, &[0; 8]].concat();
        for row in rows {
            bytes.extend(4i16.to_be_bytes());
            bytes.extend(16i32.to_be_bytes());
            bytes.extend([7; 16]);
            for text in row {
                bytes.extend((text.len() as i32).to_be_bytes());
                bytes.extend(text.as_bytes());
            }
        }
        bytes.extend((-1i16).to_be_bytes());
        bytes
    }

    #[test]
    fn rows_are_read_as_they_were_sent() {
        let rows = [["user", "5", r#"{"a":"é"}"#], ["tenant", "", "{}"], ["claim", "a\u{1e}b", "{}"]];
        let page = parse(&copied(&rows)).unwrap();
        let found: Vec<_> = page.rows().map(|row| [row.kind, row.key, row.body]).collect();
        assert_eq!(found, rows);
        assert!(page.rows().all(|row| row.tenant == TenantId(Uuid::from_bytes([7; 16]))));
        assert_eq!(parse(&copied(&[])).unwrap().rows().count(), 0);
    }

    #[test]
    fn a_copy_that_was_cut_off_is_an_error() {
        let whole = copied(&[["user", "5", "{}"], ["user", "6", "{}"]]);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_none(), "{length} of {} bytes", whole.len());
        }
        assert!(parse(&[&whole[..], &[0]].concat()).is_none(), "more than the end");
    }
}
