//! `francis.bin`: the states of the original program's actors, a row of MessagePack values (ops.md §5.4).

use std::collections::BTreeMap;

use pid_core::Timestamp;
use rmpv::Value;

use crate::data::{Actor, Field};

const FORMAT: &str = "francis-backup";
const VERSION: u64 = 1;

/// Why such a file can't be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrancisError {
    /// No header, or that of something else.
    #[error("it is not a backup of actors")]
    Format,
    /// Newer than anything known.
    #[error("its version is {0}, this program knows version {VERSION}")]
    Version(u64),
    /// Cut off or damaged.
    #[error("it is cut off or damaged")]
    Damaged,
}

/// Reads the states; alarms and jobs, which the programs make anew, are passed over.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Actor>, FrancisError> {
    let mut rest = bytes;
    let header = next(&mut rest).map_err(|_| FrancisError::Format)?;
    if get(&header, "format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(FrancisError::Format);
    }
    match get(&header, "version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(version) => return Err(FrancisError::Version(version)),
        None => return Err(FrancisError::Format),
    }
    let mut states = Vec::new();
    while !rest.is_empty() {
        let record = next(&mut rest)?;
        if let Some(state) = get(&record, "state") {
            let text = |name: &str| get(state, name).and_then(Value::as_str).map(str::to_owned);
            let (Some(kind), Some(id)) = (text("actorType"), text("actorId")) else {
                return Err(FrancisError::Damaged);
            };
            let data = get(state, "data").and_then(Value::as_slice).unwrap_or_default();
            let expires_at = get(state, "expiration").and_then(moment);
            states.push(Actor { kind, id, fields: fields(data), expires_at });
        }
    }
    Ok(states)
}

fn next(rest: &mut &[u8]) -> Result<Value, FrancisError> {
    rmpv::decode::read_value_with_max_depth(rest, 32).map_err(|_| FrancisError::Damaged)
}

fn get<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    map.as_map()?.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
}

/// The state of an actor, a map of its own. What can't be read has no fields.
pub(crate) fn fields(data: &[u8]) -> BTreeMap<String, Field> {
    let mut rest = data;
    let Ok(Value::Map(entries)) = next(&mut rest) else { return BTreeMap::new() };
    entries.into_iter().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), field(&value)))).collect()
}

fn field(value: &Value) -> Field {
    match value {
        Value::Nil => Field::Nil,
        Value::Boolean(flag) => Field::Bool(*flag),
        Value::Integer(n) => n.as_i64().map_or(Field::Other, Field::Int),
        Value::String(text) => text.as_str().map_or(Field::Other, |text| Field::Text(text.replace('\0', ""))),
        Value::Array(list) => list
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .map_or(Field::Other, Field::List),
        other => moment(other).map_or(Field::Other, Field::Time),
    }
}

/// A MessagePack timestamp (extension type −1) in any of its three lengths. Those of Go's moment zero are nothing.
fn moment(value: &Value) -> Option<Timestamp> {
    let Value::Ext(-1, bytes) = value else { return None };
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let (secs, nanos) = match bytes.len() {
        4 => (number(bytes), 0),
        8 => (number(bytes) & 0x3_ffff_ffff, number(bytes) >> 34),
        12 => (number(&bytes[4..]), number(&bytes[..4])),
        _ => return None,
    };
    let secs = i64::try_from(secs).ok().filter(|secs| (1..=253_402_300_799).contains(secs))?;
    let millis = i64::try_from(nanos / 1_000_000).ok().filter(|millis| *millis < 1000)?;
    Some(Timestamp::from_millis(secs * 1000 + millis))
}

fn timestamp(moment: Timestamp) -> Value {
    let millis = moment.millis().max(0).unsigned_abs();
    let packed = ((millis % 1000 * 1_000_000) << 34) | ((millis / 1000) & 0x3_ffff_ffff);
    Value::Ext(-1, packed.to_be_bytes().to_vec())
}

fn value(field: &Field) -> Value {
    match field {
        Field::Nil | Field::Other => Value::Nil,
        Field::Bool(flag) => Value::from(*flag),
        Field::Int(n) => Value::from(*n),
        Field::Text(text) => Value::from(text.as_str()),
        Field::Time(moment) => timestamp(*moment),
        Field::List(list) => Value::Array(list.iter().map(|item| Value::from(item.as_str())).collect()),
    }
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing into memory doesn't fail.
    let _ = rmpv::encode::write_value(&mut out, value);
    out
}

/// Writes states as such a file.
pub(crate) fn write(states: &[Actor], now: Timestamp) -> Vec<u8> {
    let header = [("format", Value::from(FORMAT)), ("version", Value::from(VERSION)), ("createdAt", timestamp(now))];
    let mut out = bytes(&map(header.to_vec()));
    for state in states {
        let fields = state.fields.iter().map(|(name, field)| (Value::from(name.as_str()), value(field)));
        let mut record = vec![
            ("actorType", Value::from(state.kind.as_str())),
            ("actorId", Value::from(state.id.as_str())),
            ("data", Value::Binary(bytes(&Value::Map(fields.collect())))),
        ];
        record.extend(state.expires_at.map(|moment| ("expiration", timestamp(moment))));
        out.extend(bytes(&map(vec![("type", Value::from("state")), ("state", map(record))])));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states() -> Vec<Actor> {
        let fields = [
            ("ID", Field::Text("t-1".to_owned())),
            ("UsageLimit", Field::Int(3)),
            ("UserGroupIDs", Field::List(vec!["g-1".to_owned()])),
            ("DeviceToken", Field::Nil),
            ("Open", Field::Bool(true)),
            ("ExpiresAt", Field::Time(Timestamp::from_millis(1_900_000_000_123))),
        ];
        vec![Actor {
            kind: "SignupToken".to_owned(),
            id: "abcdefghijklmnop".to_owned(),
            fields: fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect(),
            expires_at: Some(Timestamp::from_secs(1_900_000_000)),
        }]
    }

    #[test]
    fn states_go_out_and_come_back() {
        let file = write(&states(), Timestamp::from_secs(1_800_000_000));
        assert!(file[..64].windows(FORMAT.len()).any(|w| w == FORMAT.as_bytes()));
        assert_eq!(read(&file), Ok(states()));
        let alarm = bytes(&map(vec![("type", Value::from("alarm")), ("alarm", map(vec![("id", Value::from("a"))]))]));
        assert_eq!(read(&[file.clone(), alarm].concat()), Ok(states()), "alarms are passed over");
        assert_eq!(read(&file[..file.len() - 1]), Err(FrancisError::Damaged));
        assert_eq!(read(b""), Err(FrancisError::Format));
        assert_eq!(read(b"PK"), Err(FrancisError::Format));
        let newer = [("format", Value::from(FORMAT)), ("version", Value::from(2))];
        assert_eq!(read(&bytes(&map(newer.to_vec()))), Err(FrancisError::Version(2)));
    }

    #[test]
    fn all_three_lengths_of_moments_are_read() {
        let secs = 1_764_074_342_u32;
        let four = Value::Ext(-1, secs.to_be_bytes().to_vec());
        let twelve = Value::Ext(-1, [&5_000_000_u32.to_be_bytes()[..], &u64::from(secs).to_be_bytes()].concat());
        assert_eq!(moment(&four), Some(Timestamp::from_secs(secs.into())));
        assert_eq!(moment(&twelve), Some(Timestamp::from_millis(i64::from(secs) * 1000 + 5)));
        let zero = Value::Ext(-1, [&[0; 4][..], &(-62_135_596_800_i64).to_be_bytes()].concat());
        for nothing in [zero, Value::Ext(-1, vec![1]), Value::Ext(1, vec![0; 4]), Value::Nil] {
            assert_eq!(moment(&nothing), None);
        }
    }

    /// Bytes that are anything but a backup never bring it down.
    #[test]
    fn damaged_files_are_refused_in_order() {
        let file = write(&states(), Timestamp::from_secs(1));
        for at in 0..file.len() {
            for byte in [0, 0x7f, 0xc1, 0xc6, 0xdd, 0xdf, 0xff] {
                let mut changed = file.clone();
                changed[at] = byte;
                let _ = read(&changed);
            }
            let _ = read(&file[..at]);
        }
    }
}
