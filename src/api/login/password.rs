//! Passwords: long, not among those that everybody tries, and kept as argon2id.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version, password_hash::SaltString};

use crate::ops::random;

/// Letters that a password has at least.
pub(crate) const LEAST: usize = 12;
/// And at most: a hash of megabytes is work that others ask of us.
const MOST: usize = 256;
/// Passwords of that length which lists of stolen ones begin with, and what keyboards and words give.
const COMMON: &str = include_str!("common.txt");

/// What is wrong with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weak {
    /// Too few letters.
    Short,
    /// Too many.
    Long,
    /// Everybody tries it.
    Common,
    /// It is made of the name.
    Name,
}

/// Whether a password can be somebody's. There are no other rules: which letters it has is their affair (NIST SP 800-63B, 3.1.1.2).
pub(super) fn check(password: &str, name: &str) -> Result<(), Weak> {
    let n = password.chars().count();
    let lower = password.to_lowercase();
    let name = name.to_lowercase();
    let is_name = |part: &str| part.chars().count() >= 4 && lower.contains(part);
    match () {
        () if n < LEAST => Err(Weak::Short),
        () if n > MOST => Err(Weak::Long),
        () if COMMON.lines().any(|line| line == lower) || is_run(&lower) => Err(Weak::Common),
        () if name.split(|c: char| !c.is_alphanumeric()).any(is_name) => Err(Weak::Name),
        () => Ok(()),
    }
}

/// One or two letters again and again.
fn is_run(text: &str) -> bool {
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    letters.len() < 3
}

/// OWASP's second choice for argon2id: 19 MiB, two passes.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None).expect("within the bounds"))
}

/// A hash as PHC writes it.
///
/// # Errors
/// When the system has no random bytes.
pub(super) fn hash(password: &str) -> std::io::Result<String> {
    let salt = SaltString::encode_b64(&random::bytes::<16>()?).expect("16 bytes are a salt");
    Ok(argon2().hash_password(password.as_bytes(), &salt).map_err(|e| std::io::Error::other(e.to_string()))?.to_string())
}

/// Whether it is the password; what cannot be read is nobody's.
pub(super) fn is(password: &str, hash: &str) -> bool {
    // What was never set may be no password, and a longer one than can be set is none either.
    password.len() <= MOST * 4 && PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_password() {
        let check = |password: &str, expected: Result<(), Weak>| assert_eq!(check(password, "Vera Orlova"), expected, "{password}");
        check("correct horse", Ok(()));
        check("долгий и свой", Ok(()));
        check("elevenchars", Err(Weak::Short));
        check("одиннадцать", Err(Weak::Short));
        check(&"ab c".repeat(65), Err(Weak::Long));
        check("PasswordPassword", Err(Weak::Common));
        check("qwertyuiop123", Err(Weak::Common));
        check("aaaaaaaaaaaaaaaa", Err(Weak::Common));
        check("my-ORLOVA-2026", Err(Weak::Name));
    }

    #[test]
    fn the_list_holds_only_what_length_lets_through() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 100 && lines.iter().all(|l| l.chars().count() >= LEAST && l.to_lowercase() == *l && l.trim() == *l));
    }

    #[test]
    fn a_hash_is_slow_salted_and_says_how_it_was_made() {
        let (one, other) = (hash("correct horse").expect("hashed"), hash("correct horse").expect("hashed"));
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != other, "{one}");
        assert!(is("correct horse", &one) && !is("correct horsf", &one));
        assert!(!is("", "") && !is("", "$argon2id$") && !is("x", "nonsense"));
    }
}
