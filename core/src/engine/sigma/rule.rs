//! One rule: what its document says of it beside the detection.

use uuid::Uuid;

use super::{
    Severity,
    detection::{Compiler, Detection},
    yaml::{Is, Node, Wrong, wrong},
};

/// Longest id, bytes, and longest title, characters.
const MAX_ID: usize = 64;
const MAX_TITLE: usize = 256;
/// Namespace of the ids of rules that have none: a UUIDv5 of their text.
const NAMESPACE: Uuid = Uuid::from_u128(0x3f0e_5f5c_7a52_4c0b_9d53_51b3_9a5d_6e01);

/// A rule of the user's.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its `id`, in lower case; else derived from its text.
    pub id: String,
    /// What it finds, in a few words.
    pub title: String,
    /// The same at length; may be empty.
    pub description: String,
    /// Its level; `informational` is low, none is medium.
    pub level: Severity,
    /// ATT&CK techniques of its tags, as in `T1078.004`, sorted.
    pub techniques: Vec<String>,
    pub(super) detection: Detection,
}

impl Rule {
    pub(super) fn read(root: &Node, text: &str, compiler: &mut Compiler) -> Result<Self, Wrong> {
        if !matches!(root.is, Is::Map(_)) {
            return root.wrong("a rule is a mapping with title, logsource and detection");
        }
        for (key, what) in
            [("correlation", "correlation rules are"), ("filter", "filters of other rules are"), ("action", "collections (action) are")]
        {
            if let Some(node) = root.get(key) {
                return node.wrong(format!("{what} not supported: a rule has a detection and decides on one event"));
            }
        }
        let title = said(root, "title")?.unwrap_or_default();
        if title.trim().is_empty() || title.chars().count() > MAX_TITLE {
            return root.get("title").unwrap_or(root).wrong(format!("the title is missing or longer than {MAX_TITLE} letters"));
        }
        if let Some(node) = root.get("logsource").filter(|node| !matches!(node.is, Is::Map(_))) {
            return node.wrong("logsource must be a mapping, as in product: crm");
        }
        let Some(detection) = root.get("detection") else { return root.wrong("the rule has no detection") };
        Ok(Self {
            id: id(root, text)?,
            title: title.trim().to_owned(),
            description: said(root, "description")?.unwrap_or_default().trim().to_owned(),
            level: level(root)?,
            techniques: techniques(root)?,
            detection: compiler.detection(detection)?,
        })
    }
}

/// A text of the document's head.
fn said<'a>(root: &'a Node, key: &str) -> Result<Option<&'a str>, Wrong> {
    match root.get(key) {
        None | Some(Node { is: Is::Null, .. }) => Ok(None),
        Some(node) => node.text().map_or_else(|| node.wrong(format!("{key} must be a text")), |text| Ok(Some(text))),
    }
}

fn id(root: &Node, text: &str) -> Result<String, Wrong> {
    let Some(id) = said(root, "id")? else {
        return Ok(Uuid::new_v5(&NAMESPACE, text.strip_prefix("---").unwrap_or(text).trim().as_bytes()).to_string());
    };
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        let line = root.get("id").map_or(root.line, |node| node.line);
        return wrong(line, format!("the id must be a UUID, or at most {MAX_ID} of a-z 0-9 - _ ."));
    }
    Ok(id.to_ascii_lowercase())
}

fn level(root: &Node) -> Result<Severity, Wrong> {
    match said(root, "level")? {
        None => Ok(Severity::Medium),
        Some("informational") => Ok(Severity::Low),
        Some(word) => match Severity::from_word(word) {
            Some(level) => Ok(level),
            None => {
                root.get("level").unwrap_or(root).wrong(format!("level {word:?} is none of informational, low, medium, high, critical"))
            }
        },
    }
}

/// `attack.t1078.004` is T1078.004; tactics and other tags say nothing here.
fn techniques(root: &Node) -> Result<Vec<String>, Wrong> {
    let tags = match root.get("tags").map(|node| (node, &node.is)) {
        None | Some((_, Is::Null)) => return Ok(Vec::new()),
        Some((_, Is::List(tags))) => tags,
        Some((node, _)) => return node.wrong("tags must be a list"),
    };
    let mut all: Vec<String> = tags.iter().filter_map(Node::text).filter_map(technique).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

fn technique(tag: &str) -> Option<String> {
    let tag = tag.to_ascii_lowercase();
    let number = tag.strip_prefix("attack.t")?;
    let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
    let right = match number.split_once('.') {
        Some((technique, sub)) => digits(technique, 4) && digits(sub, 3),
        None => digits(number, 4),
    };
    right.then(|| format!("T{number}"))
}
