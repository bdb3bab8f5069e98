//! A reader for the CBOR that authenticators write (CTAP2 canonical CBOR): definite lengths, no tags, no floats, no
//! repeated keys, little nesting. Memory is bounded by the input.

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Int(i64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Bool(bool),
    Null,
}

const MAX_DEPTH: u8 = 8;

/// Reads one value from the front. `None` if it is not of this form.
pub(crate) fn read(input: &mut &[u8]) -> Option<Value> {
    value(input, 0)
}

/// Reads one value that is all of the input.
pub(crate) fn read_all(mut input: &[u8]) -> Option<Value> {
    let value = read(&mut input)?;
    input.is_empty().then_some(value)
}

fn take<'a>(input: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, rest) = input.split_at_checked(n)?;
    *input = rest;
    Some(head)
}

fn value(input: &mut &[u8], depth: u8) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    let initial = *take(input, 1)?.first()?;
    let (major, info) = (initial >> 5, initial & 0x1f);
    if major == 7 {
        return match info {
            20 => Some(Value::Bool(false)),
            21 => Some(Value::Bool(true)),
            22 => Some(Value::Null),
            _ => None,
        };
    }
    let argument = match info {
        0..=23 => u64::from(info),
        // 31, an indefinite length, and 28–30 are refused.
        24..=27 => take(input, 1 << (info - 24))?.iter().fold(0, |acc, b| (acc << 8) | u64::from(*b)),
        _ => return None,
    };
    let number = i64::try_from(argument).ok()?;
    let length = usize::try_from(argument).ok()?;
    match major {
        0 => Some(Value::Int(number)),
        1 => Some(Value::Int(-1 - number)),
        2 => Some(Value::Bytes(take(input, length)?.to_vec())),
        3 => Some(Value::Text(String::from_utf8(take(input, length)?.to_vec()).ok()?)),
        4 => {
            let mut items = Vec::new();
            for _ in 0..length {
                items.push(value(input, depth + 1)?);
            }
            Some(Value::Array(items))
        }
        5 => {
            let mut entries: Vec<(Value, Value)> = Vec::new();
            for _ in 0..length {
                let key = value(input, depth + 1)?;
                if entries.len() >= 64 || entries.iter().any(|(known, _)| *known == key) {
                    return None;
                }
                entries.push((key, value(input, depth + 1)?));
            }
            Some(Value::Map(entries))
        }
        _ => None,
    }
}

impl Value {
    /// An entry of a map.
    pub(crate) fn get(&self, key: &Self) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    pub(crate) fn at(&self, key: i64) -> Option<&Self> {
        self.get(&Self::Int(key))
    }

    pub(crate) fn named(&self, key: &str) -> Option<&Self> {
        self.get(&Self::Text(key.to_owned()))
    }

    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            _ => None,
        }
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(b) => Some(b),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(t) => Some(t),
            _ => None,
        }
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_056_cbor_that_is_not_canonical_or_endless_is_refused() {
        assert_eq!(read_all(&[0x01]), Some(Value::Int(1)));
        assert_eq!(read_all(&[0x20]), Some(Value::Int(-1)));
        for (what, bytes) in [
            ("truncated", vec![0x42, 0x01]),
            ("trailing", vec![0x01, 0x02]),
            ("indefinite bytes", vec![0x5f, 0x41, 0x01, 0xff]),
            ("indefinite map", vec![0xbf, 0xff]),
            ("duplicate keys", vec![0xa2, 0x01, 0x01, 0x01, 0x02]),
            ("a length of 2^63", vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            ("an array of 2^40", vec![0x9b, 0, 0, 1, 0, 0, 0, 0, 0]),
            ("a float", vec![0xf9, 0x00, 0x00]),
            ("a tag", vec![0xc0, 0x01]),
            ("deep", [vec![0x81; 10_000], vec![0x01]].concat()),
            ("nothing", vec![]),
        ] {
            assert_eq!(read_all(&bytes), None, "{what}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let _ = read_all(&bytes);
        }
    }
}
