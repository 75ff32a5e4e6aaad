//! The made-up company: honest, seeded, heavy-tailed. Its parameters are read by nothing else.
