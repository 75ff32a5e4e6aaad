//! What all of Salesforce's logs have in common: ids, key prefixes, names of API calls.

use std::borrow::Cow;

use crate::event::{Action, ObjectType};

/// What the key prefix of an id means.
pub(super) fn prefix_type(prefix: &str) -> Option<ObjectType> {
    Some(match prefix {
        "001" => ObjectType::Client,
        "003" => ObjectType::Contact,
        "00Q" => ObjectType::Lead,
        "006" => ObjectType::Deal,
        "801" => ObjectType::Order,
        "00T" | "00U" => ObjectType::Task,
        "00P" | "015" | "068" | "069" => ObjectType::File,
        "00O" | "01Z" => ObjectType::Report,
        "005" => ObjectType::User,
        _ => return None,
    })
}

/// Whether a text is an id of a record.
pub(super) fn is_id(text: &str) -> bool {
    // All ids begin with a digit or a letter and have a digit among the first three of their prefix.
    matches!(text.len(), 15 | 18) && text.bytes().all(|b| b.is_ascii_alphanumeric()) && text[..3].bytes().any(|b| b.is_ascii_digit())
}

/// The id of 18 characters, whose last three say which of the others are capitals; what is no id of 15 stays as it is.
pub(super) fn id18(id: &str) -> Cow<'_, str> {
    const CHECK: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    if id.len() != 15 || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Cow::Borrowed(id);
    }
    let mut long = id.to_owned();
    for block in id.as_bytes().chunks(5) {
        let bits = block.iter().enumerate().fold(0, |bits, (i, b)| bits | (usize::from(b.is_ascii_uppercase()) << i));
        long.push(char::from(CHECK[bits]));
    }
    Cow::Owned(long)
}

/// What a call of the API does, by its name in whatever case, with `_` or without.
pub(super) fn api_action(method: &str) -> Action {
    match method.to_ascii_lowercase().replace('_', "").as_str() {
        m if m.starts_with("query") => Action::ApiQuery,
        "retrieve" | "search" => Action::ApiQuery,
        "create" | "insert" => Action::Create,
        "update" | "upsert" => Action::Update,
        "delete" => Action::Delete,
        "merge" => Action::Merge,
        _ => Action::Other,
    }
}

/// The object that a SOQL text asks for.
pub(super) fn soql_object(text: &str) -> Option<&str> {
    let mut words = super::rules::top_level(text).into_iter().skip_while(|w| !w.eq_ignore_ascii_case("from")).skip(1);
    words.next().filter(|w| w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_get_their_check_characters() {
        assert_eq!(id18("0055j000000utlP"), "0055j000000utlPAAQ");
        assert_eq!(id18("0057Q00000AbXyZ"), "0057Q00000AbXyZQAV");
        assert_eq!(id18("0697Q000004dDdD"), "0697Q000004dDdDQAU");
        for other in ["", "0055j000000utlPAAQ", "0055j000000utl-", "ж", "Salesforce.comI"] {
            assert_eq!(id18(other), other);
        }
    }

    #[test]
    fn a_query_names_its_object() {
        assert_eq!(soql_object("SELECT Id, (SELECT Id FROM Contacts) FROM Account WHERE x = 'from Lead'"), Some("Account"));
        assert_eq!(soql_object("FIND {x}"), None);
        assert_eq!(soql_object("select x from"), None);
    }
}
