//! What has changed since the findings of another day, or of another machine.

use serde_json::Value;
use std::collections::BTreeMap;

/// What changes by itself and says nothing.
const FLEETING: [&str; 4] = ["memory.available_bytes", "memory.swap_used_bytes", "memory_rates.buffer_bytes", "free_bytes"];
/// Rates differ by so many percent between two measurements of one machine.
const NOISE_PERCENT: f64 = 5.0;

/// A value that is not what it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Where: `memory.total_bytes`.
    pub name: String,
    /// Before; `None`: it was not there.
    pub old: Option<Value>,
    /// Now; `None`: it is not there.
    pub new: Option<Value>,
    /// For rates: how much more it is.
    pub percent: Option<f64>,
}

/// What differs between two findings. Rates count as equal within the noise of measuring.
pub fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let (old, new) = (flat(old), flat(new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|name| !is_fleeting(name)).filter_map(|name| change(name, old.get(name), new.get(name))).collect()
}

fn change(name: &str, old: Option<&Value>, new: Option<&Value>) -> Option<Change> {
    if old == new {
        return None;
    }
    let rates = old.and_then(Value::as_f64).zip(new.and_then(Value::as_f64)).filter(|(old, _)| is_rate(name) && *old > 0.0);
    let percent = rates.map(|(old, new)| 100.0 * (new / old - 1.0));
    if percent.is_some_and(|percent| percent.abs() < NOISE_PERCENT) {
        return None;
    }
    Some(Change { name: name.to_string(), old: old.cloned(), new: new.cloned(), percent })
}

fn is_fleeting(name: &str) -> bool {
    name.starts_with("warnings") || FLEETING.iter().any(|end| name.ends_with(end))
}

fn is_rate(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    ["read", "write", "memory_read", "memory_copy", "read_one", "read_all", "copy_one", "copy_all"].contains(&last)
}

/// Values by their places. Paths are told apart by what they are called, lists of words are one value.
fn flat(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    flatten(String::new(), value, &mut found);
    found
}

fn flatten(name: String, value: &Value, found: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(below(key), value, found)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                let label = item["path"].as_str().or(item["mount"].as_str()).map_or(index.to_string(), ToString::to_string);
                flatten(format!("{name}[{label}]"), item, found);
            }
        }
        Value::Null => {}
        other => drop(found.insert(name, other.clone())),
    }
}

/// One line a change.
pub fn text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return format!("nothing has changed (rates within {NOISE_PERCENT} % count as equal)");
    }
    let shown = |value: &Option<Value>| match value {
        None => "nothing".to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map_or(item.to_string(), ToString::to_string)).collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    };
    let line = |change: &Change| match change.percent {
        Some(percent) => {
            let gigabytes = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64).unwrap_or(0.0) / 1e9;
            format!("{}  {:.2} -> {:.2} GB/s, {percent:+.1} %", change.name, gigabytes(&change.old), gigabytes(&change.new))
        }
        None => format!("{}  {} -> {}", change.name, shown(&change.old), shown(&change.new)),
    };
    changes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `outcore.doctor-changes/1`.
pub fn json(changes: &[Change]) -> Value {
    let one = |change: &Change| serde_json::json!({"name": change.name, "old": change.old, "new": change.new, "percent": change.percent});
    serde_json::json!({"schema": "outcore.doctor-changes/1", "changes": changes.iter().map(one).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rates_change_in_percent_and_the_rest_from_what_to_what() {
        let old = json!({"memory": {"total_bytes": 8, "available_bytes": 1}, "memory_rates": {"read_all": 10e9, "copy_all": 10e9}, "variables": {"OUTCORE_IO": "read"},
                         "paths": [{"path": "/a", "kind": "ext4", "write": 2e9, "free_bytes": 7}], "processor": {"features": ["avx"]}});
        let new = json!({"memory": {"total_bytes": 16, "available_bytes": 2}, "memory_rates": {"read_all": 12e9, "copy_all": 10.1e9}, "variables": {},
                         "paths": [{"path": "/a", "kind": "xfs", "write": 1e9, "free_bytes": 9}], "processor": {"features": ["avx", "avx2"]}});
        let text = text(&changes(&old, &new));
        let want = "memory.total_bytes  8 -> 16\nmemory_rates.read_all  10.00 -> 12.00 GB/s, +20.0 %\npaths[/a].kind  ext4 -> xfs\n\
                    paths[/a].write  2.00 -> 1.00 GB/s, -50.0 %\nprocessor.features  avx -> avx avx2\nvariables.OUTCORE_IO  read -> nothing";
        assert_eq!(text, want);
        assert_eq!(changes(&old, &old), []);
        assert_eq!(json(&changes(&old, &new))["changes"][1]["percent"].as_f64().map(f64::round), Some(20.0));
    }
}
