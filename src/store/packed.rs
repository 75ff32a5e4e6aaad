//! Whole rows of alerts out of one column: `alert_queue.packed`, in ClickHouse's `RowBinary`. A row has some seventy streams of its own on
//! disk, and the rows of a page stand far apart: to read each as one took half as long.

use super::{Error, rows::AlertRow};

/// All rows that stand one after the other in what ClickHouse answered as `RawBLOB`.
///
/// # Errors
/// When something else stands there.
pub(super) fn rows(mut bytes: &[u8]) -> Result<Vec<AlertRow>, Error> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let row =
            row(&mut bytes).ok_or_else(|| Error::Refused("alert_queue.packed is no row: does another Filin write here?".to_owned()))?;
        found.push(row);
    }
    Ok(found)
}

/// The next row; none: it is cut off, or none.
fn row(bytes: &mut &[u8]) -> Option<AlertRow> {
    Some(AlertRow {
        alert_id: text(bytes)?,
        version: u32::from_le_bytes(take(bytes)?),
        tenant: text(bytes)?,
        manager: text(bytes)?,
        manager_alias: text(bytes)?,
        subject_kind: text(bytes)?,
        subject_id: text(bytes)?,
        team: text(bytes)?,
        role: text(bytes)?,
        notify: flag(bytes)?,
        linked: list(bytes, text)?,
        late: flag(bytes)?,
        lookback: flag(bytes)?,
        time: i64::from_le_bytes(take(bytes)?),
        opened_at: i64::from_le_bytes(take(bytes)?),
        kind: text(bytes)?,
        controls: list(bytes, text)?,
        severity: text(bytes)?,
        bits: count(bytes)?,
        ln_p: number(bytes)?,
        score: number(bytes)?,
        summary_en: text(bytes)?,
        summary_ru: text(bytes)?,
        contributions: list(bytes, |b| Some((text(b)?, text(b)?, count(b)?, number(b)?, number(b)?, text(b)?, text(b)?, text(b)?)))?,
        event_ids: list(bytes, text)?,
        events_total: count(bytes)?,
        records: count(bytes)?,
        clients: count(bytes)?,
        mitre: list(bytes, text)?,
        prior: text(bytes)?,
        engine: text(bytes)?,
        log_partition: u32::from_le_bytes(take(bytes)?),
        log_offset: count(bytes)?,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

fn flag(bytes: &mut &[u8]) -> Option<bool> {
    take::<1>(bytes).map(|[b]| b != 0)
}

fn count(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}

fn number(bytes: &mut &[u8]) -> Option<f64> {
    take(bytes).map(f64::from_le_bytes)
}

/// A length as LEB128.
fn length(bytes: &mut &[u8]) -> Option<usize> {
    let mut n = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take(bytes)?;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return usize::try_from(n).ok();
        }
    }
    None
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let n = length(bytes)?;
    let (first, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    String::from_utf8(first.to_vec()).ok()
}

fn list<T>(bytes: &mut &[u8], one: impl Fn(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    // What is said to be more than there is ends at the end.
    (0..length(bytes)?).map(|_| one(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use clickhouse::Row as _;

    use super::*;

    #[test]
    fn the_migration_packs_the_columns_in_their_order() {
        let text = include_str!("../../schemas/clickhouse/0016_queue.sql");
        let (_, packed) = text.split_once("formatRow('RowBinary', ").expect("the column");
        let (packed, _) = packed.split_once(')').expect("its end");
        let columns: Vec<&str> = packed.split(',').map(str::trim).collect();
        assert_eq!(columns, AlertRow::COLUMN_NAMES);
    }

    #[test]
    fn what_is_no_row_is_refused() {
        assert!(rows(&[]).is_ok_and(|rows| rows.is_empty()));
        // A text that is longer than what is there, a length without an end, a list that is longer than memory.
        for bytes in [&[5, b'a'][..], &[0xff; 16], &[0; 40], &[1, b'x']] {
            assert!(rows(bytes).is_err(), "{bytes:?}");
        }
    }
}
