//! Bits that nobody can guess.

use std::{
    fs::File,
    io::{self, Read as _},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Bytes of a token.
pub const TOKEN: usize = 32;

/// A token that nobody can guess, in the letters of an address.
///
/// # Errors
/// When the system has no random bytes.
pub fn token() -> io::Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(bytes::<TOKEN>()?))
}

/// What tells one question from all others, in sixteen hexadecimal digits.
///
/// # Errors
/// When the system has no random bytes.
pub fn id() -> io::Result<String> {
    Ok(data_encoding::HEXLOWER.encode(&bytes::<8>()?))
}

/// So many of the system's random bytes.
///
/// # Errors
/// When the system has none.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
