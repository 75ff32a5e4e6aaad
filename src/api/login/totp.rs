//! Second factors: TOTP (RFC 6238) with SHA-1, six digits and steps of 30 seconds, as every program for it has them.

use data_encoding::BASE32_NOPAD;
use ring::hmac;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use crate::event::Timestamp;

/// Milliseconds of a step.
const STEP_MS: i64 = 30_000;
/// Codes of one step before and one behind hold as well: clocks differ, and people type slowly.
const SKEW: u64 = 1;

/// The step of an instant.
fn step(at: Timestamp) -> u64 {
    u64::try_from(at.millis() / STEP_MS).unwrap_or_default()
}

/// RFC 4226, 5.3: four bytes of the HMAC from where its last half-byte says, without the sign.
fn truncated(secret: &[u8], step: u64) -> u32 {
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret), &step.to_be_bytes());
    let mac = mac.as_ref();
    let at = usize::from(mac[mac.len() - 1] & 0xf);
    u32::from_be_bytes([mac[at], mac[at + 1], mac[at + 2], mac[at + 3]]) & 0x7fff_ffff
}

/// The code of an instant, as a program for it shows it.
#[cfg(test)]
pub(super) fn code(secret: &[u8], at: Timestamp) -> String {
    format!("{:06}", truncated(secret, step(at)) % 1_000_000)
}

/// The step whose code was typed; none: it is no code of now. All are compared, so that time does not tell which.
pub(super) fn accepts(secret: &[u8], typed: &str, now: Timestamp) -> Option<u64> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let legal = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
    let typed: u32 = digits.parse().unwrap_or(u32::MAX);
    let mut found = 0;
    for step in step(now).saturating_sub(SKEW)..=step(now) + SKEW {
        found.conditional_assign(&step, (truncated(secret, step) % 1_000_000).ct_eq(&typed));
    }
    (legal && found > 0).then_some(found)
}

/// A secret as people type it.
pub(crate) fn spelled(secret: &[u8]) -> String {
    let letters = BASE32_NOPAD.encode(secret);
    letters.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

/// The address that programs read, from a picture or a link.
pub(crate) fn uri(name: &str, secret: &[u8]) -> String {
    let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20");
    format!("otpauth://totp/Filin:{name}?secret={}&issuer=Filin&algorithm=SHA1&digits=6&period=30", BASE32_NOPAD.encode(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B; its eight digits are the last of the same number.
        for (s, code) in [
            (59_i64, 94_287_082_u32),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(truncated(SECRET, step(Timestamp::from_millis(s * 1000))) % 100_000_000, code, "{s}");
        }
        assert_eq!(code(SECRET, Timestamp::from_millis(59_000)), "287082");
        assert_eq!(code(SECRET, Timestamp::from_millis(1_111_111_109_000)), "081804", "with its zeros");
    }

    #[test]
    fn a_code_holds_a_step_before_and_behind() {
        let at = Timestamp::from_millis(1_111_111_111_000);
        let known = step(at);
        let of = |steps: i64| code(SECRET, at.plus(steps * STEP_MS));
        let got: Vec<Option<u64>> = (-2..=2).map(|n| accepts(SECRET, &of(n), at)).collect();
        assert_eq!(got, [None, Some(known - 1), Some(known), Some(known + 1), None]);
        assert_eq!(accepts(SECRET, " 050 471 ", at), Some(known), "as programs show it");
        for wrong in ["", "05047", "0504710", "05047x", "-50471", "+50471", "٠٥٠٤٧١"] {
            assert_eq!(accepts(SECRET, wrong, at), None, "{wrong}");
        }
    }

    #[test]
    fn a_program_reads_name_and_secret() {
        assert_eq!(spelled(&[0; 5]), "AAAA AAAA");
        assert_eq!(
            uri("Анна b&c", &[0; 5]),
            "otpauth://totp/Filin:%D0%90%D0%BD%D0%BD%D0%B0%20b%26c?secret=AAAAAAAA&issuer=Filin&algorithm=SHA1&digits=6&period=30"
        );
    }
}
