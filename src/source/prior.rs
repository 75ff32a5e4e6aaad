//! The cold-start prior: the one that comes with Filin, or a file that `filin train` wrote.

use crate::{engine::prior::Prior, ops::config};

const DEFAULT: &str = include_str!("../../models/default.json");

/// The prior that the configuration asks for; none where tenants start from nothing.
///
/// # Errors
/// A sentence about the file that cannot be read.
pub fn prior(wanted: &config::Prior) -> Result<Option<Prior>, String> {
    match wanted {
        config::Prior::None => Ok(None),
        config::Prior::Default => Ok(Some(serde_json::from_str(DEFAULT).expect("the prior that comes with Filin is tested"))),
        config::Prior::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read the prior {}: {e}", path.display()))?;
            let wrong = |e| format!("{} is no prior ({e}): `filin train` writes one; `none` and `default` need no file", path.display());
            serde_json::from_str(&text).map(Some).map_err(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_readable_and_knows_people() {
        let default = prior(&config::Prior::Default).expect("readable").expect("there is one");
        assert_eq!(default.name, "default");
        assert!(default.manager_days > 10_000 && default.people.roles.len() >= 3);
        assert_eq!(prior(&config::Prior::None), Ok(None));
    }

    #[test]
    fn a_wrong_file_is_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("p.json");
        let said = prior(&config::Prior::File(path.clone())).expect_err("missing");
        assert!(said.contains("cannot read"), "{said}");
        std::fs::write(&path, "{}").expect("written");
        let said = prior(&config::Prior::File(path)).expect_err("wrong");
        assert!(said.contains("is no prior"), "{said}");
    }
}
