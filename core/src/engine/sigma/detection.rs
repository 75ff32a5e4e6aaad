//! The `detection` of a rule: named selections over fields, and a condition over those.

use std::{cell::OnceCell, cmp::Ordering, collections::BTreeMap};

use super::{
    condition::Condition,
    field::{Kind, Place, Scene},
    value::{self, How, Test, Value, Values},
    yaml::{Is, Key, Node, Wrong, wrong},
};

/// Values that all rules together may ask for.
pub const MAX_VALUES: usize = 10_000;
/// Regular expressions, and texts with wildcards inside, that all rules together may hold.
pub const MAX_REGEXES: usize = 300;

/// Modifiers that are read.
pub const MODIFIERS: &[&str] =
    &["contains", "startswith", "endswith", "re", "i", "m", "s", "cidr", "gt", "gte", "lt", "lte", "all", "exists", "cased", "fieldref"];

/// Selections and their condition.
#[derive(Clone, Debug)]
pub(super) struct Detection {
    selections: Vec<Selection>,
    condition: Condition,
}

/// Any of these groups holds.
type Selection = Vec<Vec<Item>>;

/// What one field must be.
#[derive(Clone, Debug)]
struct Item {
    /// A place of [`Compiler::places`].
    slot: usize,
    ask: Ask,
}

#[derive(Clone, Debug)]
enum Ask {
    Exists(bool),
    /// Each of these is met by some value of the field.
    All(Vec<Test>),
    /// One is met, or the field is missing and that is asked for. Plain texts are sorted: lists of them are long.
    Any {
        texts: Vec<String>,
        tests: Vec<Test>,
        null: bool,
    },
    /// A value of the field agrees with one of another field.
    Other {
        slots: Vec<usize>,
        how: How,
        cased: bool,
        all: bool,
    },
}

impl Detection {
    pub(super) fn holds(&self, seen: &Seen<'_, '_>) -> bool {
        // Bits of the selections that were asked, and of those that hold.
        let (mut asked, mut held) = (0_u64, 0_u64);
        self.condition.holds(&mut |i| {
            if asked >> i & 1 == 0 {
                asked |= 1 << i;
                let selection = &self.selections[i as usize];
                held |= u64::from(selection.iter().any(|group| group.iter().all(|item| item.holds(seen)))) << i;
            }
            held >> i & 1 == 1
        })
    }
}

impl Item {
    fn holds(&self, seen: &Seen<'_, '_>) -> bool {
        let values = seen.values(self.slot);
        match &self.ask {
            Ask::Exists(there) => values.is_empty() != *there,
            Ask::All(tests) => tests.iter().all(|test| values.iter().any(|value| test.holds(value))),
            Ask::Any { texts, tests, null } => {
                let is = |value: &Value<'_>| value.is_one_of(texts) || tests.iter().any(|test| test.holds(value));
                (*null && values.is_empty()) || values.iter().any(is)
            }
            Ask::Other { slots, how, cased, all } => {
                let agrees = |slot: &usize| {
                    let others = seen.values(*slot);
                    values.iter().any(|value| others.iter().any(|other| value::agree(*how, *cased, value, other)))
                };
                if *all { slots.iter().all(agrees) } else { slots.iter().any(agrees) }
            }
        }
    }
}

/// The fields of one event that rules ask for, each read once, when it is asked for.
pub(super) struct Seen<'a, 'p> {
    scene: Scene<'a>,
    places: &'p [Place],
    values: Vec<OnceCell<Values<'a>>>,
}

impl<'a, 'p> Seen<'a, 'p> {
    pub(super) fn new(scene: Scene<'a>, places: &'p [Place]) -> Self {
        Self { scene, places, values: std::iter::repeat_with(OnceCell::new).take(places.len()).collect() }
    }

    fn values(&self, slot: usize) -> &[Value<'a>] {
        self.values[slot].get_or_init(|| self.places[slot].values(self.scene)).all()
    }
}

/// Reads detections; what all of them share grows with each.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    pub(super) places: Vec<Place>,
    slots: BTreeMap<Place, usize>,
    values: usize,
    regexes: usize,
}

/// How much was shared at some time.
pub(super) struct Mark {
    places: usize,
    values: usize,
    regexes: usize,
}

impl Compiler {
    pub(super) fn mark(&self) -> Mark {
        Mark { places: self.places.len(), values: self.values, regexes: self.regexes }
    }

    /// Forgets what a rule asked for that was refused.
    pub(super) fn back_to(&mut self, mark: &Mark) {
        for place in self.places.drain(mark.places..) {
            self.slots.remove(&place);
        }
        (self.values, self.regexes) = (mark.values, mark.regexes);
    }

    pub(super) fn detection(&mut self, node: &Node) -> Result<Detection, Wrong> {
        let Is::Map(entries) = &node.is else { return node.wrong("detection must be a mapping of selections and a condition") };
        let (mut names, mut selections, mut condition) = (Vec::new(), Vec::new(), None);
        for (key, value) in entries {
            match key.name.as_str() {
                "condition" => condition = Some((key, value)),
                "timeframe" => {
                    return wrong(key.line, "timeframe is not supported: a rule decides on one event");
                }
                name => {
                    names.push(name);
                    selections.push(self.selection(key, value)?);
                }
            }
        }
        if names.len() > 64 {
            return node.wrong(format!("{} selections are more than 64", names.len()));
        }
        let Some((key, condition)) = condition else { return node.wrong("detection has no condition") };
        let Some(text) = condition.text() else { return wrong(key.line, "the condition must be one text") };
        let condition = Condition::read(text, &names).or_else(|reason| wrong(key.line, reason))?;
        Ok(Detection { selections, condition })
    }

    fn selection(&mut self, key: &Key, node: &Node) -> Result<Selection, Wrong> {
        match &node.is {
            Is::Map(_) => Ok(vec![self.group(key, node)?]),
            Is::List(groups) if !groups.is_empty() => groups.iter().map(|group| self.group(key, group)).collect(),
            _ => wrong(key.line, format!("selection {:?} must be a mapping of fields, or a list of such", key.name)),
        }
    }

    fn group(&mut self, key: &Key, node: &Node) -> Result<Vec<Item>, Wrong> {
        match &node.is {
            Is::Map(entries) if !entries.is_empty() => entries.iter().map(|(key, node)| self.item(key, node)).collect(),
            Is::Map(_) => node.wrong(format!("selection {:?} asks for nothing", key.name)),
            _ => node.wrong("keywords are not supported: say in which field, as in query.text|contains"),
        }
    }

    fn item(&mut self, key: &Key, node: &Node) -> Result<Item, Wrong> {
        let mut parts = key.name.split('|');
        let name = parts.next().unwrap_or_default();
        let Some(place) = Place::of(name) else {
            return wrong(
                key.line,
                format!("there is no field {name:?}: docs/sigma.md lists them, what is a source's own is under attrs."),
            );
        };
        let modifiers = Modifiers::read(parts).or_else(|reason| wrong(key.line, reason))?;
        let values = match &node.is {
            Is::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if values.is_empty() {
            return wrong(key.line, format!("{name} has no values"));
        }
        self.values += values.len();
        if self.values > MAX_VALUES {
            return wrong(key.line, format!("all rules together ask for more than {MAX_VALUES} values"));
        }
        let ask = if modifiers.exists {
            match values {
                [Node { is: Is::Bool(there), .. }] => Ask::Exists(*there),
                _ => return node.wrong("exists takes true or false"),
            }
        } else if modifiers.fieldref {
            self.other(&place, &modifiers, values)?
        } else {
            self.tests(name, &place, &modifiers, values)?
        };
        Ok(Item { slot: self.slot(place), ask })
    }

    fn slot(&mut self, place: Place) -> usize {
        let next = self.places.len();
        let slot = *self.slots.entry(place.clone()).or_insert(next);
        if slot == next {
            self.places.push(place);
        }
        slot
    }

    fn other(&mut self, place: &Place, modifiers: &Modifiers, values: &[Node]) -> Result<Ask, Wrong> {
        let how = match modifiers.how {
            None => How::Equal,
            Some(Match::Text(how)) => how,
            Some(_) => return values[0].wrong("fieldref goes with contains, startswith or endswith alone"),
        };
        let mut slots = Vec::new();
        for node in values {
            let Some(other) = node.text().and_then(Place::of) else { return node.wrong("fieldref takes the name of a field") };
            if place.is_list() && other.is_list() {
                return node.wrong("fieldref compares no list with a list: that would take their product of steps");
            }
            slots.push(self.slot(other));
        }
        Ok(Ask::Other { slots, how, cased: modifiers.cased, all: modifiers.all })
    }

    fn tests(&mut self, name: &str, place: &Place, modifiers: &Modifiers, values: &[Node]) -> Result<Ask, Wrong> {
        let (mut texts, mut tests, mut null) = (Vec::new(), Vec::new(), false);
        for node in values {
            if matches!(node.is, Is::Null) && modifiers.how.is_none() && !modifiers.all {
                null = true;
                continue;
            }
            let test = test(node, modifiers).and_then(|test| suits(name, place, &test).map(|()| test));
            let test = test.or_else(|reason| node.wrong(reason))?;
            match test {
                Test::Text { how: How::Equal, text, cased: false } if !modifiers.all => texts.push(text),
                Test::Regex { .. } => {
                    self.regexes += 1;
                    if self.regexes > MAX_REGEXES {
                        return node
                            .wrong(format!("all rules together hold more than {MAX_REGEXES} expressions or wildcards inside texts"));
                    }
                    tests.push(test);
                }
                test => tests.push(test),
            }
        }
        texts.sort_unstable();
        texts.dedup();
        Ok(if modifiers.all { Ask::All(tests) } else { Ask::Any { texts, tests, null } })
    }
}

/// What follows a field's name.
#[derive(Debug, Default)]
struct Modifiers {
    how: Option<Match>,
    /// Of a regular expression.
    flags: String,
    all: bool,
    cased: bool,
    exists: bool,
    fieldref: bool,
}

#[derive(Clone, Copy, Debug)]
enum Match {
    Text(How),
    Re,
    Cidr,
    Compare(&'static [Ordering]),
}

impl Modifiers {
    fn read<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let (mut said, mut n) = (Self::default(), 0);
        for word in words {
            n += 1;
            let how = match word {
                "all" => {
                    said.all = true;
                    continue;
                }
                "cased" => {
                    said.cased = true;
                    continue;
                }
                "exists" => {
                    said.exists = true;
                    continue;
                }
                "fieldref" => {
                    said.fieldref = true;
                    continue;
                }
                "i" | "m" | "s" if matches!(said.how, Some(Match::Re)) => {
                    said.flags += word;
                    continue;
                }
                "contains" => Match::Text(How::Contains),
                "startswith" => Match::Text(How::Starts),
                "endswith" => Match::Text(How::Ends),
                "re" => Match::Re,
                "cidr" => Match::Cidr,
                "gt" => Match::Compare(&[Ordering::Greater]),
                "gte" => Match::Compare(&[Ordering::Greater, Ordering::Equal]),
                "lt" => Match::Compare(&[Ordering::Less]),
                "lte" => Match::Compare(&[Ordering::Less, Ordering::Equal]),
                _ => return Err(format!("modifier {word:?} is not supported: there are {}", MODIFIERS.join(", "))),
            };
            if said.how.replace(how).is_some() {
                return Err(format!("{word} does not go with the modifier before it"));
            }
        }
        if said.exists && n > 1 {
            return Err("exists stands alone".to_owned());
        }
        if said.cased && matches!(said.how, Some(Match::Re | Match::Cidr | Match::Compare(_))) {
            return Err("cased goes with texts; an expression minds the case anyway, unless it says |re|i".to_owned());
        }
        Ok(said)
    }
}

fn test(node: &Node, modifiers: &Modifiers) -> Result<Test, String> {
    if matches!(node.is, Is::List(_) | Is::Map(_)) {
        return Err("a value must be a text, a number, true, false or null".to_owned());
    }
    match (modifiers.how, &node.is) {
        (None, Is::Bool(b)) => Ok(Test::Bool(*b)),
        (None, Is::Number(n, written)) => Ok(Test::Number(*n, written.to_lowercase())),
        (None, Is::Text(text)) => value::glob(text, How::Equal, modifiers.cased),
        (Some(Match::Compare(orders)), Is::Number(with, _)) => Ok(Test::Compare { orders, with: *with }),
        (Some(Match::Compare(_)), _) => Err("is compared with a number".to_owned()),
        (Some(how), _) => {
            let text = node.text().ok_or("the modifier takes a text")?;
            match how {
                Match::Text(how) => value::glob(text, how, modifiers.cased),
                Match::Re => Ok(Test::Regex { regex: value::regex(text, &modifiers.flags)?, cased: true }),
                _ => text
                    .parse()
                    .or_else(|_| text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from))
                    .map(Test::Net)
                    .map_err(|_| format!("{text:?} is no network, as in 10.0.0.0/8")),
            }
        }
        (None, _) => Err("null goes without |all".to_owned()),
    }
}

/// A rule that can never hold is a mistake of its author's.
fn suits(name: &str, place: &Place, test: &Test) -> Result<(), String> {
    let fits = match (place.kind(), test) {
        (None | Some(Kind::Text), _)
        | (Some(Kind::Number), Test::Number(..) | Test::Compare { .. })
        | (Some(Kind::Bool), Test::Bool(_)) => true,
        (Some(Kind::Word(words)), Test::Text { how: How::Equal, text, .. }) => words.contains(&text.as_str()),
        (Some(Kind::Word(_)), Test::Text { .. } | Test::Regex { .. }) => true,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(match place.kind() {
        Some(Kind::Number) => format!("{name} is a number: give one, or compare it with gt, gte, lt, lte"),
        Some(Kind::Bool) => format!("{name} is true or false"),
        Some(Kind::Word(words)) => format!("{name} is one of {}", words.join(", ")),
        _ => format!("{name} is never so"),
    })
}
