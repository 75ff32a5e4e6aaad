//! TLS of the listener: certificate and key from files, taken anew when they change, so that a renewed one needs no restart.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use super::config::Tls;

/// What a listener shows, and whom it lets in.
#[derive(Debug)]
pub struct Server {
    files: Tls,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    /// When the files were changed last.
    changed: Vec<Option<SystemTime>>,
    config: Arc<ServerConfig>,
}

impl Server {
    /// Reads the files.
    ///
    /// # Errors
    /// When one is missing or not PEM, or when the key is another certificate's: which file, and what to do.
    pub fn open(files: &Tls) -> Result<Self, String> {
        let now = Now { changed: changed(files), config: Arc::new(read(files)?) };
        Ok(Self { files: files.clone(), now: Mutex::new(now) })
    }

    /// For the next connection. Files that changed are read; while they are wrong (half of a pair was written), what was in force stays.
    pub fn current(&self) -> Arc<ServerConfig> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = changed(&self.files);
        if changed != now.changed {
            now.changed = changed;
            match read(&self.files) {
                Ok(config) => {
                    now.config = Arc::new(config);
                    tracing::info!("the certificate was read again");
                }
                Err(e) => tracing::error!(error = e, "the certificate was changed and is not used: the one before stays"),
            }
        }
        Arc::clone(&now.config)
    }
}

fn changed(files: &Tls) -> Vec<Option<SystemTime>> {
    let all = [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()];
    all.into_iter().flatten().map(|path| path.metadata().and_then(|m| m.modified()).ok()).collect()
}

fn certificates(path: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{key}: {}: {e}", path.display());
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|e| wrong(&e))?;
    if all.is_empty() { Err(wrong(&"there is no certificate in it (PEM is wanted)")) } else { Ok(all) }
}

fn read(files: &Tls) -> Result<ServerConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&files.certificate, "http.tls.certificate")?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| format!("http.tls.key: {}: {e}", files.key.display()))?;
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let wrong = |e: &dyn std::fmt::Display| format!("http.tls.client_ca: {}: {e}", path.display());
            let mut roots = RootCertStore::empty();
            for root in certificates(path, "http.tls.client_ca")? {
                roots.add(root).map_err(|e| wrong(&e))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|e| wrong(&e))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|e| format!("http.tls.key: {} does not fit the certificate: {e}", files.key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
