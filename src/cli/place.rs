//! Where in a file a mistake stands that is known by its path.

/// A message that begins with a path (`mapping.action.values.get: ..`), with the line of its last key before it, where that is found.
pub(super) fn located(text: &str, message: &str) -> String {
    let path = message.split(':').next().unwrap_or_default();
    match line(text, path) {
        Some(line) => format!("line {line}: {message}"),
        None => message.to_owned(),
    }
}

/// The line (from 1) of a path's last key: each key is looked for from where the one before it stood.
fn line(text: &str, path: &str) -> Option<usize> {
    if path.is_empty() || path.contains(char::is_whitespace) {
        return None;
    }
    let (mut from, mut found) = (0, None);
    for key in path.split(['.', '[']).map(|key| key.trim_matches(['"', ']'])) {
        match find(&text[from..], key) {
            Some(at) => {
                found = Some(from + at);
                from += at + key.len();
            }
            // Places in lists have no name.
            None if key.bytes().all(|b| b.is_ascii_digit()) => {}
            None => break,
        }
    }
    found.map(|at| text[..at].matches('\n').count() + 1)
}

/// Where a key stands as a word of its own.
fn find(text: &str, key: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut places = text.match_indices(key).map(|(at, _)| at);
    places.find(|&at| !text[..at].ends_with(is_word) && !text[at + key.len()..].starts_with(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_found_by_their_paths() {
        let text = "tenant = 'a'\n[mapping]\ntime_zone = 1\ntime = { path = 'x',\n  format = 'iso' }\n\"actor.id\" = 'u'\n";
        let check = |path: &str, expected: Option<usize>| assert_eq!(line(text, path), expected, "{path}");
        check("mapping.time.format", Some(5));
        check("mapping.time", Some(4));
        check("mapping.actor.id", Some(6));
        check("mapping", Some(2));
        check("nosuch", None);
        check("expected a table", None);
        assert_eq!(located(text, "mapping.time.format: no"), "line 5: mapping.time.format: no");
        assert_eq!(located(text, "unknown field"), "unknown field");
    }
}
