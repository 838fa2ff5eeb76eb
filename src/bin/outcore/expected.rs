//! The seconds that a plan takes at least, from the rates of the machine profile.

use crate::{
    disk,
    doctor::mount_of,
    inputs::without_query,
    profile::{DiskRates, Found, Rates},
    settings::Settings,
};
use outcore::{
    plan::Plan,
    report::{Expected, Inputs, TransferRates, expected, size::seconds},
};
use serde_json::{Value, json};
use std::path::Path;

/// What moving the bytes of a plan takes.
pub struct Times {
    warm: Option<Expected>,
    cold: Option<Expected>,
    profile: String,
}

/// The times of a plan with these files; `None` without measured rates. A path that is not there lies in the folder it is put into.
pub fn times(plan: &Plan, inputs: &[String], outputs: &[&Path], settings: &Settings) -> Option<Times> {
    let Found::Fits(path, profile) = &settings.profile else { return None };
    let rates = profile.rates.as_ref()?;
    let input = inputs.iter().map(|path| Path::new(without_query(path))).find(|path| path.exists());
    let scratch = settings.recipe.scratch.as_deref();
    let output = outputs.first().copied().or(scratch).map_or_else(|| input.map(disk::folder_of), |path| Some(disk::folder_of(path)));
    let (input, output) = (input.map(mount_of), output.map(|path| mount_of(&path)));
    let rates = machine_rates(rates, input.as_deref(), output.as_deref());
    let of = |inputs| expected(plan, &rates, inputs);
    Some(Times { warm: of(Inputs::Warm), cold: of(Inputs::Cold), profile: path.display().to_string() })
}

fn machine_rates(rates: &Rates, input: Option<&str>, output: Option<&str>) -> TransferRates {
    let disk = |mount: Option<&str>| -> Option<&DiskRates> { rates.disks.iter().find(|disk| Some(disk.mount.as_str()) == mount) };
    TransferRates {
        memory_read: rates.memory_read,
        input_read: disk(input).map(|disk| disk.read),
        output_write: disk(output).map(|disk| disk.write),
        one_disk: input == output,
    }
}

impl Times {
    /// Lines under a plan.
    pub fn text(&self) -> String {
        let line = |expected: &Option<Expected>, place: &str| match expected {
            Some(Expected { seconds: least, binds }) => format!("at least {}, {} binds; {place}", seconds(*least), binds.name()),
            None => format!("not known: the disk was not measured (`outcore doctor PATH --save`); {place}"),
        };
        let (warm, cold) = (line(&self.warm, "inputs in the page cache"), line(&self.cold, "inputs on the disk"));
        format!("time      {warm}\n          {cold}\n          computing is not counted; rates of {}", self.profile)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({"warm": self.warm, "cold": self.cold, "profile": self.profile})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_known_by_their_mounts() {
        let disk = |mount: &str, read, write| DiskRates { mount: mount.into(), kind: "ext4".into(), read, write };
        let rates = Rates {
            memory_read: 9.0,
            memory_copy: 1.0,
            operations: None,
            threads: None,
            disks: vec![disk("/", 1.0, 2.0), disk("/data", 3.0, 4.0)],
        };
        let found = machine_rates(&rates, Some("/data"), Some("/"));
        assert_eq!(found, TransferRates { memory_read: 9.0, input_read: Some(3.0), output_write: Some(2.0), one_disk: false });
        assert_eq!(machine_rates(&rates, Some("/else"), Some("/else")).input_read, None);
    }
}
