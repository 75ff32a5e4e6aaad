//! Tables for people.

use std::io::{self, Write};

/// Writes lines of cells, each column as wide as its widest cell; the last one is left as it is. The first line is the head.
pub(super) fn write<const N: usize>(out: &mut impl Write, lines: &[[String; N]]) -> io::Result<()> {
    let wide: [usize; N] = std::array::from_fn(|i| lines.iter().map(|l| l[i].chars().count()).max().unwrap_or_default());
    for line in lines {
        let mut text = String::new();
        for (i, cell) in line.iter().enumerate() {
            // A name from outside must not move the cursor.
            text.extend(cell.chars().map(|c| if c.is_control() { ' ' } else { c }));
            if i + 1 < N {
                text.extend(std::iter::repeat_n(' ', wide[i] - cell.chars().count() + 2));
            }
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let mut out = Vec::new();
        let line = |a: &str, b: &str, c: &str| [a, b, c].map(str::to_owned);
        write(&mut out, &[line("a", "second", "last"), line("длинно", "", "x\ty")]).expect("in memory");
        assert_eq!(String::from_utf8(out).expect("text"), "a       second  last\nдлинно          x y\n");
    }
}
