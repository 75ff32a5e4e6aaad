//! Pseudonyms: what dashboards, labels and pages show in place of a manager's id.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The keyed pseudonym of managers: ten base-32 letters of an HMAC. Equal on all instances that share the key.
#[derive(Clone)]
pub struct Alias {
    key: [u8; 32],
}

impl std::fmt::Debug for Alias {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alias(key hidden)")
    }
}

impl Alias {
    /// From a secret key.
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Another secret of the same key, for another purpose.
    pub(super) fn secret(&self, purpose: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("an HMAC takes keys of any length");
        // No tenant's name and manager's id begin so.
        mac.update(&[0, 0]);
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// The pseudonym of a manager; none for no manager.
    pub fn of(&self, tenant: &str, manager: &str) -> String {
        if manager.is_empty() {
            return String::new();
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("an HMAC takes keys of any length");
        mac.update(tenant.as_bytes());
        mac.update(&[0]);
        mac.update(manager.as_bytes());
        let mut text = data_encoding::BASE32.encode(&mac.finalize().into_bytes()[..7]);
        text.truncate(10);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depends_on_key_tenant_and_manager() {
        let (a, b) = (Alias::new([1; 32]), Alias::new([2; 32]));
        let seen = [a.of("t", "anna"), a.of("t", "boris"), a.of("u", "anna"), b.of("t", "anna"), a.of("tan", "na")];
        for (i, x) in seen.iter().enumerate() {
            assert_eq!(x.len(), 10);
            assert!(seen[i + 1..].iter().all(|y| x != y));
        }
        assert_eq!(a.of("t", "anna"), seen[0]);
        assert_eq!(a.of("t", ""), "");
    }
}
