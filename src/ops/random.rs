//! Bits that nobody can guess.

use std::{
    fs::File,
    io::{self, Read as _},
};

/// So many of the system's random bytes.
///
/// # Errors
/// When the system has none.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
