//! Bytes of a CRM's own format in, canonical events and complaints out; a file per source, named after it.
