//! How arrays stand in snapshots: small, and one form for one value.

/// Arrays of which most elements are zero: their number, then index and value of the others.
pub(super) mod sparse {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeSeq};

    pub(in crate::engine) fn serialize<T, S, const N: usize>(values: &[T; N], s: S) -> Result<S::Ok, S::Error>
    where
        T: Copy + Default + PartialEq + Serialize,
        S: Serializer,
    {
        let filled = || values.iter().enumerate().filter(|(_, v)| **v != T::default());
        let mut seq = s.serialize_seq(Some(filled().count()))?;
        for (i, v) in filled() {
            seq.serialize_element(&(u8::try_from(i).expect("at most 256 elements"), v))?;
        }
        seq.end()
    }

    pub(in crate::engine) fn deserialize<'de, T, D, const N: usize>(d: D) -> Result<[T; N], D::Error>
    where
        T: Copy + Default + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        placed(d, |i| i)
    }

    /// Each value goes where `place` says that its index is now.
    pub(super) fn placed<'de, T, D, const N: usize>(d: D, place: impl Fn(usize) -> usize) -> Result<[T; N], D::Error>
    where
        T: Copy + Default + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let mut values = [T::default(); N];
        for (i, v) in Vec::<(u8, T)>::deserialize(d)? {
            *values.get_mut(place(usize::from(i))).ok_or_else(|| D::Error::custom("an index beyond the array"))? = v;
        }
        Ok(values)
    }
}

/// The same of a number per detector, also as states had it that knew one detector less.
pub(super) mod by_detector {
    use serde::{Deserialize, Deserializer};

    use super::sparse;
    pub(in crate::engine) use super::sparse::serialize;
    use crate::engine::{
        detector::{DETECTORS, OUT},
        state,
    };

    pub(in crate::engine) fn deserialize<'de, T, D>(d: D) -> Result<[T; DETECTORS], D::Error>
    where
        T: Copy + Default + Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let old = state::reading() < state::GREW;
        sparse::placed(d, |i| i + usize::from(old && i >= OUT))
    }
}

/// Hashes have no small values: eight bytes each instead of ten.
pub(super) mod fixed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in crate::engine) fn serialize<S: Serializer>(values: &[u64], s: S) -> Result<S::Ok, S::Error> {
        values.iter().map(|v| v.to_le_bytes()).collect::<Vec<_>>().serialize(s)
    }

    pub(in crate::engine) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u64>, D::Error> {
        Ok(Vec::<[u8; 8]>::deserialize(d)?.into_iter().map(u64::from_le_bytes).collect())
    }
}

/// The words of a filter: all of them.
pub(super) mod words {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::fixed;

    pub(in crate::engine) fn serialize<S: Serializer, const N: usize>(words: &[u64; N], s: S) -> Result<S::Ok, S::Error> {
        fixed::serialize(words, s)
    }

    pub(in crate::engine) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(d: D) -> Result<[u64; N], D::Error> {
        let found = Vec::<[u8; 8]>::deserialize(d)?;
        let words: [[u8; 8]; N] = found.try_into().map_err(|_| D::Error::custom("a filter of another size"))?;
        Ok(words.map(u64::from_le_bytes))
    }
}

/// Registers below 16: index and value of those above zero, or four bits each, whichever is shorter.
pub(super) mod registers {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(in crate::engine) fn serialize<S: Serializer, const N: usize>(values: &[u8; N], s: S) -> Result<S::Ok, S::Error> {
        let filled = || values.iter().enumerate().filter(|(_, v)| **v > 0);
        if filled().count() * 2 < N / 2 {
            return filled().flat_map(|(i, v)| [u8::try_from(i).expect("at most 256 registers"), *v]).collect::<Vec<u8>>().serialize(s);
        }
        values.chunks_exact(2).map(|pair| pair[0] & 15 | pair[1] << 4).collect::<Vec<u8>>().serialize(s)
    }

    pub(in crate::engine) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(d: D) -> Result<[u8; N], D::Error> {
        let (bytes, mut values) = (Vec::<u8>::deserialize(d)?, [0; N]);
        if bytes.len() == N / 2 {
            values.chunks_exact_mut(2).zip(bytes).for_each(|(pair, byte)| (pair[0], pair[1]) = (byte & 15, byte >> 4));
            return Ok(values);
        }
        let (pairs, []) = bytes.as_chunks::<2>() else { return Err(D::Error::custom("half a register")) };
        for [i, v] in pairs {
            *values.get_mut(usize::from(*i)).ok_or_else(|| D::Error::custom("a register beyond the sketch"))? = (*v).min(15);
        }
        Ok(values)
    }
}
