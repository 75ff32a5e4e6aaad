//! What the pages of a self-hosted CRM mean: rules tried in order on a request's method, path and query, built in or from a binding.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::{Error, rules};
use crate::event::{Action, ObjectType};

/// The rules of the CRMs there are, in the form in which a binding gives its own.
const BUILT_IN: &str = include_str!("web_rules.json");
/// What a binding may say for all of them: it is what the specification's own example says.
const ALL: &[&str] = &["built-in", "see FORMATS.md"];

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    /// The CRM that it belongs to.
    #[serde(default)]
    crm: String,
    /// A pattern for the whole method; none: any.
    method: Option<String>,
    /// A pattern found in the path; its named groups can be used in `type` and `id`.
    path: Option<String>,
    /// Parameters that must be there, and patterns for the whole of their values.
    #[serde(default)]
    query: BTreeMap<String, String>,
    action: String,
    /// A type of object, or `{name}` of a group or parameter that holds the CRM's name for it.
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
}

/// A rule that can be tried.
pub(super) struct Rule {
    method: Option<Regex>,
    path: Option<Regex>,
    query: Vec<(String, Regex)>,
    action: Action,
    kind: Option<String>,
    id: Option<String>,
}

/// What a request was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) action: Action,
    pub(super) kind: Option<ObjectType>,
    pub(super) id: Option<String>,
}

/// A request, cut into its parts.
pub(super) struct Request<'a> {
    method: &'a str,
    pub(super) path: &'a str,
    query: Vec<(String, String)>,
}

impl<'a> Request<'a> {
    pub(super) fn new(method: &'a str, uri: &'a str) -> Self {
        let uri = uri.split('#').next().unwrap_or(uri);
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        // More parameters than a page has are somebody's play.
        let query = form_urlencoded::parse(query.as_bytes()).take(100).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        Self { method, path, query }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// The rules that a binding asks for.
pub(super) fn open(given: Option<&Value>) -> Result<Vec<Rule>, Error> {
    let built_in = || serde_json::from_str::<Vec<Given>>(BUILT_IN).expect("the rules of this version");
    let wrong = |e: String| Error::Binding(format!("rules: {e}"));
    let chosen = match given {
        None => built_in(),
        Some(Value::String(name)) if ALL.contains(&name.as_str()) => built_in(),
        Some(Value::String(name)) => {
            let all = built_in();
            let of_one: Vec<Given> = all.into_iter().filter(|rule| rule.crm == *name).collect();
            if of_one.is_empty() {
                return Err(wrong(format!("there are no rules for {name:?}: give suitecrm, espocrm, odoo, built-in, or rules")));
            }
            of_one
        }
        Some(list) => Vec::<Given>::deserialize(list).map_err(|e| wrong(e.to_string()))?,
    };
    chosen.into_iter().enumerate().map(|(i, rule)| Rule::read(rule).map_err(|e| Error::Binding(format!("rules[{i}].{e}")))).collect()
}

impl Rule {
    fn read(given: Given) -> Result<Self, String> {
        let pattern = |field: &str, text: &str| Regex::new(text).map_err(|e| format!("{field}: {e}"));
        let whole = |field: &str, text: &str| pattern(field, &format!("^(?i:{text})$"));
        let action = Action::from_word(&given.action).ok_or_else(|| format!("action: {:?} is no action", given.action))?;
        if let Some(kind) = given.kind.as_deref().filter(|k| !k.starts_with('{') && ObjectType::from_word(k).is_none()) {
            return Err(format!("type: {kind:?} is neither a type of object nor {{name}}"));
        }
        let mut query = Vec::new();
        for (name, text) in &given.query {
            query.push((name.clone(), whole(&format!("query.{name}"), text)?));
        }
        Ok(Self {
            method: given.method.as_deref().map(|m| whole("method", m)).transpose()?,
            path: given.path.as_deref().map(|p| pattern("path", p)).transpose()?,
            query,
            action,
            kind: given.kind,
            id: given.id,
        })
    }

    /// What a request means by this rule, if it applies.
    fn meaning(&self, request: &Request<'_>) -> Option<Meaning> {
        if self.method.as_ref().is_some_and(|m| !m.is_match(request.method)) {
            return None;
        }
        if !self.query.iter().all(|(name, pattern)| request.parameter(name).is_some_and(|v| pattern.is_match(v))) {
            return None;
        }
        let groups = match &self.path {
            Some(pattern) => Some(pattern.captures(request.path)?),
            None => None,
        };
        let filled = |template: &str| match template.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            Some(name) => {
                let group = groups.as_ref().and_then(|g| g.name(name)).map(|m| m.as_str());
                group.or_else(|| request.parameter(name)).map(str::to_owned)
            }
            None => Some(template.to_owned()),
        };
        let kind = self.kind.as_deref().and_then(|template| {
            let name = filled(template)?;
            Some(ObjectType::from_word(template).unwrap_or_else(|| rules::object_type(&name)))
        });
        Some(Meaning { action: self.action, kind, id: self.id.as_deref().and_then(filled).filter(|id| !id.is_empty()) })
    }
}

/// What a request means by the first rule that applies.
pub(super) fn meaning(all: &[Rule], request: &Request<'_>) -> Option<Meaning> {
    all.iter().find_map(|rule| rule.meaning(request))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_of_known_crms_are_understood() {
        let all = open(None).expect("built in");
        let check = |method: &str, uri: &str, expected: Option<(&str, Option<&str>, Option<&str>)>| {
            let found = meaning(&all, &Request::new(method, uri));
            let found = found.as_ref().map(|m| (m.action.as_str(), m.kind.map(ObjectType::as_str), m.id.as_deref()));
            assert_eq!(found, expected, "{method} {uri}");
        };
        check("GET", "/index.php?module=Contacts&action=DetailView&record=7", Some(("view", Some("contact"), Some("7"))));
        check("GET", "/crm/index.php?module=Accounts&action=index", Some(("list", Some("client"), None)));
        check("POST", "/index.php?entryPoint=export&module=Leads", Some(("export", Some("lead"), None)));
        check("GET", "/index.php?entryPoint=download&id=9&type=Documents", Some(("export", Some("file"), Some("9"))));
        check("POST", "/index.php?module=Users&action=Authenticate", Some(("login", None, None)));
        check("GET", "/index.php?module=Users&action=Logout", Some(("logout", None, None)));
        check("GET", "/api/v1/Account/65aa", Some(("view", Some("client"), Some("65aa"))));
        check("GET", "/api/v1/Contact?maxSize=20", Some(("list", Some("contact"), None)));
        check("GET", "/api/v1/Contact?textFilter=iv%2A", Some(("search", Some("contact"), None)));
        check("POST", "/api/v1/Export", Some(("export", None, None)));
        check("POST", "/api/v1/Lead", Some(("create", Some("lead"), None)));
        check("PATCH", "/api/v1/Opportunity/1", Some(("update", Some("deal"), Some("1"))));
        check("DELETE", "/api/v1/Opportunity/1", Some(("delete", Some("deal"), Some("1"))));
        check("GET", "/api/v1/App/user", Some(("other", None, None)));
        check("GET", "/?entryPoint=attachment&id=5", Some(("export", Some("file"), Some("5"))));
        check("POST", "/web/export/xlsx", Some(("export", None, None)));
        check("GET", "/report/pdf/sale.report_saleorder/7", Some(("print", None, None)));
        check("POST", "/web/dataset/call_kw/res.partner/web_search_read", Some(("list", Some("client"), None)));
        check("POST", "/web/dataset/call_kw/crm.lead/web_read", Some(("view", Some("lead"), None)));
        check("GET", "/web/content/88?download=true", Some(("export", Some("file"), None)));
        check("GET", "/", None);
    }

    #[test]
    fn rules_come_from_the_binding_and_are_checked() {
        let own = json!([{"path": "^/card/(?<n>\\d+)$", "action": "view", "type": "client", "id": "{n}"}]);
        let all = open(Some(&own)).expect("good");
        let found = meaning(&all, &Request::new("GET", "/card/42"));
        assert_eq!(found, Some(Meaning { action: Action::View, kind: Some(ObjectType::Client), id: Some("42".to_owned()) }));
        assert_eq!(open(Some(&json!("odoo"))).expect("known").len(), 5);
        let check = |given: Value, expected: &str| {
            let e = open(Some(&given)).map(|_| ()).expect_err("wrong").to_string();
            assert!(e.contains(expected), "{e}");
        };
        check(json!("nosuch"), "rules: there are no rules for \"nosuch\"");
        check(json!([{"action": "look"}]), "rules[0].action: \"look\" is no action");
        check(json!([{"action": "view"}, {"action": "view", "path": "("}]), "rules[1].path");
        check(json!([{"action": "view", "type": "thing"}]), "rules[0].type");
        check(json!([{"action": "view", "colour": "red"}]), "colour");
    }
}
