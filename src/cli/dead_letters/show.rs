//! Dead letters for people and for programs.

use std::io::{self, Write};

use crate::{adapter::secrets, api::Retried, event::Timestamp, store::dead::DeadLetter};

/// Characters of an id that are shown.
const ID: usize = 8;
/// A line where no terminal says how wide it is.
const WIDTH: usize = 120;
/// The widest source.
const CELL: usize = 24;
/// Lines about what is left.
const SHOWN: usize = 20;

pub(super) fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0))
}

/// A text in one line of at most so many characters.
fn cut(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.chars().count() <= most {
        return plain;
    }
    plain.chars().take(most.saturating_sub(1)).chain(['\u{2026}']).collect()
}

fn place(l: &DeadLetter) -> String {
    let partition = if l.partition.is_empty() { String::new() } else { format!("{}:", cut(&l.partition, 12)) };
    let index = if l.index == 0 { String::new() } else { format!("#{}", l.index) };
    format!("{partition}{}{index}", l.offset)
}

pub(super) fn list(out: &mut impl Write, letters: &[DeadLetter], counts: &[(String, u64)], width: usize) -> io::Result<()> {
    if letters.is_empty() {
        return writeln!(out, "no dead letters");
    }
    let head = ["id", "time", "source", "place", "code", "reason"].map(str::to_owned);
    let row = |l: &DeadLetter| {
        let id = l.id.chars().take(ID).collect();
        [id, Timestamp::from_millis(l.at).to_string(), cut(&l.source, CELL), place(l), l.code.clone(), cut(&l.message, usize::MAX)]
    };
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(letters.iter().map(row)).collect();
    let wide: [usize; 5] = std::array::from_fn(|i| rows.iter().map(|r| r[i].chars().count()).max().unwrap_or_default());
    // A reason of a few characters says nothing: then the line is longer than the terminal.
    let rest = width.saturating_sub(wide.iter().map(|w| w + 2).sum()).max(20);
    for r in &rows {
        for (cell, wide) in r.iter().zip(wide) {
            write!(out, "{cell:wide$}  ")?;
        }
        writeln!(out, "{}", cut(&r[5], rest))?;
    }
    let total: u64 = counts.iter().map(|(_, n)| n).sum();
    let wide = counts.iter().map(|(code, _)| code.len()).max().unwrap_or_default().max("all".len());
    writeln!(out)?;
    for (code, n) in counts.iter().map(|(code, n)| (code.as_str(), *n)).chain([("all", total)]) {
        writeln!(out, "{code:wide$}  {n:>9}")?;
    }
    Ok(())
}

fn about(l: &DeadLetter) -> serde_json::Value {
    serde_json::json!({
        "id": l.id, "tenant": l.tenant, "time": Timestamp::from_millis(l.at).to_string(), "source": l.source, "partition": l.partition,
        "offset": l.offset, "index": l.index, "format": l.format, "version": l.version, "code": l.code, "message": l.message,
    })
}

pub(super) fn listed(letters: &[DeadLetter], counts: &[(String, u64)]) -> serde_json::Value {
    let counts: serde_json::Map<String, serde_json::Value> = counts.iter().map(|(code, n)| (code.clone(), (*n).into())).collect();
    serde_json::json!({"letters": letters.iter().map(about).collect::<Vec<_>>(), "counts": counts})
}

/// Bytes as text, else in hexadecimal. Letters of earlier versions were stored with their secrets.
fn readable(bytes: &[u8]) -> Result<String, String> {
    let masked = secrets::mask(bytes);
    match std::str::from_utf8(&masked) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(data_encoding::HEXLOWER.encode(&masked)),
    }
}

fn state(l: &DeadLetter) -> &str {
    if l.state.is_empty() { "open" } else { &l.state }
}

pub(super) fn whole(l: &DeadLetter) -> serde_json::Value {
    let mut all = about(l);
    all["state"] = state(l).into();
    for (name, bytes) in [("raw", &l.raw), ("key", &l.key)] {
        match readable(bytes) {
            Ok(text) => all[name] = text.into(),
            Err(hex) => all[format!("{name}_hex")] = hex.into(),
        }
    }
    all["headers"] = serde_json::from_str(&l.headers).unwrap_or_else(|_| serde_json::json!({}));
    all
}

pub(super) fn one(out: &mut impl Write, l: &DeadLetter) -> io::Result<()> {
    for (name, value) in [
        ("id", l.id.clone()),
        ("state", state(l).to_owned()),
        ("time", Timestamp::from_millis(l.at).to_string()),
        ("tenant", l.tenant.clone()),
        ("source", l.source.clone()),
        ("partition", l.partition.clone()),
        ("offset", l.offset.to_string()),
        ("index", l.index.to_string()),
        ("format", l.format.clone()),
        ("version", l.version.clone()),
        ("code", l.code.clone()),
        ("reason", l.message.clone()),
        ("key", readable(&l.key).unwrap_or_else(|hex| hex)),
        ("headers", l.headers.clone()),
    ] {
        if !value.is_empty() {
            writeln!(out, "{name:10} {value}")?;
        }
    }
    match readable(&l.raw) {
        Ok(text) if text.is_empty() => writeln!(out, "\nnothing raw is kept"),
        Ok(text) => writeln!(out, "\nraw, {} bytes:\n{}", l.raw.len(), text.trim_end_matches('\n')),
        Err(hex) => {
            writeln!(out, "\nraw, {} bytes, no UTF-8, in hexadecimal:", l.raw.len())?;
            let lines: Vec<&str> = (0..hex.len()).step_by(64).map(|i| &hex[i..hex.len().min(i + 64)]).collect();
            writeln!(out, "{}", lines.join("\n"))
        }
    }
}

pub(super) fn told(out: &mut impl Write, done: &Retried) -> io::Result<()> {
    writeln!(
        out,
        "{} letters read again: {} events taken, {} known before; {} letters settled, {} left",
        done.letters,
        done.events,
        done.known,
        done.settled,
        done.left.len()
    )?;
    for left in done.left.iter().take(SHOWN) {
        writeln!(out, "{}  {}  {}", left.id.chars().take(ID).collect::<String>(), left.code, cut(&left.message, WIDTH))?;
    }
    if done.left.len() > SHOWN {
        writeln!(out, "... and {} more", done.left.len() - SHOWN)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::dead::Place;

    fn letter(offset: u64, message: &str, raw: &[u8]) -> DeadLetter {
        let place = Place { source: "crm.audit".to_owned(), partition: "3".to_owned(), offset };
        DeadLetter::new("acme", Timestamp::from_millis(1_773_307_200_000), &place, 0, "hubspot", "bad_json", message, raw)
    }

    #[test]
    fn columns_stand_under_each_other_and_reasons_end_with_the_line() {
        let letters = [letter(7, "short", b"x"), letter(123_456, &"long \n".repeat(40), b"y")];
        let mut out = Vec::new();
        list(&mut out, &letters, &[("bad_json".to_owned(), 2)], 100).expect("in memory");
        let text = String::from_utf8(out).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        let column = lines[0].find("reason").expect("a head");
        assert_eq!(lines[1].find("short"), Some(column));
        assert_eq!(lines[2].chars().count(), 100);
        assert!(lines[2].ends_with('\u{2026}') && lines[2][column..].starts_with("long"), "{text}");
        assert!(text.contains("crm.audit  3:7       bad_json") && text.ends_with("all               2\n"), "{text}");
        let mut none = Vec::new();
        list(&mut none, &[], &[], 100).expect("in memory");
        assert_eq!(none, b"no dead letters\n");
    }

    #[test]
    fn all_of_a_letter_is_shown_but_its_secrets() {
        let show = |l: &DeadLetter| {
            let mut out = Vec::new();
            one(&mut out, l).expect("in memory");
            String::from_utf8(out).expect("UTF-8")
        };
        let text = show(&letter(7, "no", br#"{"a":1,"token":"abc"#));
        assert!(text.contains("\nraw, 19 bytes:\n{\"a\":1,\"token\":\"***\n") && !text.contains("abc"), "{text}");
        assert!(text.contains("partition  3\noffset     7\n"), "{text}");
        let bytes = letter(7, "no", &[0xff; 40]);
        let hex = show(&bytes);
        assert!(hex.ends_with(&format!("\n{}\n{}\n", "ff".repeat(32), "ff".repeat(8))), "{hex}");
        assert_eq!(whole(&bytes)["raw_hex"], "ff".repeat(40));
        assert!(show(&bytes.accepted(Timestamp::default())).contains("state      accepted"));
    }
}
