//! Which events of a day are the evidence: those that raised a family.

use serde::{Deserialize, Serialize};

use super::detector::FAMILIES;

/// An alert names the first and the last so many ...
const ENDS: usize = 20;
/// ... and of those between them the strongest so many.
const STRONGEST: usize = 60;
/// A day remembers more, since an alert asks for some of the families only.
const REMEMBERED: usize = 2 * (2 * ENDS + STRONGEST);

/// Events of a manager-day that raised a family, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Evidence(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Piece {
    /// `source/id`.
    reference: Box<str>,
    /// A bit per family.
    families: u16,
    /// The greatest rise, nats.
    rise: f32,
}

impl Evidence {
    /// Notes an event by what it did to the families.
    pub(super) fn note(&mut self, before: &[f64; FAMILIES], after: &[f64; FAMILIES], reference: impl FnOnce() -> String) {
        let (mut families, mut rise) = (0, 0.0_f64);
        for f in 0..FAMILIES {
            if after[f] > before[f] {
                families |= 1 << f;
                rise = rise.max(after[f] - before[f]);
            }
        }
        if families == 0 {
            return;
        }
        self.0.push(Piece { reference: reference().into(), families, rise: super::math::stored(rise) });
        if self.0.len() > REMEMBERED {
            let middle = ENDS..self.0.len() - ENDS;
            let weakest = middle.min_by(|a, b| self.0[*a].rise.total_cmp(&self.0[*b].rise)).expect("there is a middle");
            self.0.remove(weakest);
        }
    }

    /// The events that raised one of `families` (a bit each): the first, the strongest, the last, in order.
    pub(super) fn references(&self, families: u16) -> Vec<String> {
        let of: Vec<&Piece> = self.0.iter().filter(|p| p.families & families != 0).collect();
        let mut chosen: Vec<usize> = (0..of.len()).collect();
        if of.len() > 2 * ENDS + STRONGEST {
            let last = of.len() - ENDS;
            let mut middle: Vec<usize> = (ENDS..last).collect();
            middle.sort_by(|&a, &b| of[b].rise.total_cmp(&of[a].rise).then(a.cmp(&b)));
            chosen.retain(|i| *i < ENDS || *i >= last || middle[..STRONGEST].contains(i));
        }
        chosen.into_iter().map(|i| of[i].reference.to_string()).collect()
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_ends_and_the_strongest_of_the_families_asked_for() {
        let mut evidence = Evidence::default();
        let mut v = [0.0; FAMILIES];
        for i in 0..1000_u32 {
            let before = v;
            let f = usize::from(i % 3 == 0);
            v[f] += if (400..430).contains(&i) { 1.0 } else { 0.001 };
            evidence.note(&before, &v, || format!("s/{i}"));
        }
        evidence.note(&v, &v, || unreachable!("it raised nothing"));
        let both = evidence.references(0b11);
        assert_eq!(both.len(), 100);
        assert_eq!((both[0].as_str(), both[19].as_str(), both[99].as_str()), ("s/0", "s/19", "s/999"));
        assert!((400..430).all(|i| both.contains(&format!("s/{i}"))));
        let one = evidence.references(0b10);
        assert!(one.iter().all(|r| r[2..].parse::<u32>().expect("a number") % 3 == 0) && one.len() <= 100, "{one:?}");
        assert!((400..430).filter(|i| i % 3 == 0).all(|i| one.contains(&format!("s/{i}"))));
        assert_eq!(evidence.references(0b100), Vec::<String>::new());
    }
}
