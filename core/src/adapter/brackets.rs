//! Keys of form-encoded bodies that somebody turned into JSON as they were: `leads[status][0][id]`.

/// The parts of a key: `leads`, `status`, `0`, `id`. None when its brackets do not fit.
pub(super) fn parts(key: &str) -> Option<Vec<&str>> {
    let (first, mut rest) = match key.split_once('[') {
        None => return Some(vec![key]),
        Some((first, rest)) => (first, rest),
    };
    let mut parts = vec![first];
    loop {
        let (part, after) = rest.split_once(']')?;
        parts.push(part);
        match after.strip_prefix('[') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn keys_are_cut_into_parts() {
        let check = |key: &str, expected: Option<&[&str]>| assert_eq!(parts(key).as_deref(), expected, "{key}");
        check("leads[status][0][id]", Some(&["leads", "status", "0", "id"]));
        check("event", Some(&["event"]));
        check("a[]", Some(&["a", ""]));
        check("a[b", None);
        check("a[b]c", None);
        check("a[b][", None);
    }
}
