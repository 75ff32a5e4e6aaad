//! Secrets behind log-in, all from the key of the pseudonyms, so that every instance has the same and nothing more is to be kept.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::{
    ops::random,
    store::{Alias, integrity::keyed},
};

/// Bytes of a nonce of AES-GCM.
const NONCE: usize = 12;

/// What seals second factors, makes them out of links, and marks forms.
#[derive(Clone)]
pub struct Keys {
    forms: [u8; 32],
    links: [u8; 32],
    factors: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(hidden)")
    }
}

impl Keys {
    /// From the key of the pseudonyms.
    pub fn of(alias: &Alias) -> Self {
        Self { forms: alias.secret("login forms"), links: alias.secret("login links"), factors: alias.secret("login factors") }
    }

    /// What a form carries that was made for somebody: nobody else's page can know it.
    pub fn form(&self, whose: &str) -> String {
        data_encoding::HEXLOWER.encode(&keyed(&self.forms, "form", &[whose.as_bytes()])[..16])
    }

    /// The secret of the second factor that a link sets: the same each time its page is shown, on whatever instance.
    pub fn factor(&self, link: &str) -> [u8; 20] {
        let mut secret = [0; 20];
        secret.copy_from_slice(&keyed(&self.links, "factor", &[link.as_bytes()])[..20]);
        secret
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &self.factors).expect("a key has 32 bytes"))
    }

    /// Encrypts the secret of somebody's second factor; it can be read as theirs only.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn seal(&self, name: &str, secret: &[u8]) -> std::io::Result<String> {
        let nonce = random::bytes::<NONCE>()?;
        let mut text = secret.to_vec();
        let sealed = self.cipher().seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()), &mut text);
        sealed.expect("a secret is shorter than a cipher takes");
        Ok(data_encoding::BASE64URL_NOPAD.encode(&[&nonce[..], &text].concat()))
    }

    /// Decrypts it; none: it is somebody else's, or was sealed with another key.
    pub fn open(&self, name: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE)?;
        let mut text = text.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce.try_into().ok()?);
        Some(self.cipher().open_in_place(nonce, Aad::from(name.as_bytes()), &mut text).ok()?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_factor_is_its_owners_and_needs_the_key() {
        let (keys, others) = (Keys::of(&Alias::new([1; 32])), Keys::of(&Alias::new([2; 32])));
        let sealed = keys.seal("vera", b"a secret").expect("sealed");
        assert_eq!(keys.open("vera", &sealed).as_deref(), Some(&b"a secret"[..]));
        assert_ne!(sealed, keys.seal("vera", b"a secret").expect("sealed"), "a nonce is used once");
        assert!(keys.open("boris", &sealed).is_none() && others.open("vera", &sealed).is_none());
        assert!(keys.open("vera", "").is_none() && keys.open("vera", "?").is_none() && keys.open("vera", &sealed[..20]).is_none());
        assert!(keys.factor("a") == keys.factor("a") && keys.factor("a") != keys.factor("b") && keys.factor("a") != others.factor("a"));
        assert!(keys.form("a") != keys.form("b") && keys.form("a") != others.form("a"));
    }
}
