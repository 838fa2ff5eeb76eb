//! `outcore digest`: one hash of what an array holds.

use crate::{
    args::Digest,
    inputs::open_one,
    output::{Style, print},
    settings::Settings,
    signals,
};
use outcore::Result;

/// A line per array: the hash and the path, as `b3sum` prints them.
pub fn run(command: &Digest, settings: &Settings) -> Result<()> {
    let _guard = signals::guard(&settings.session);
    for path in &command.paths {
        let array = open_one(&settings.session, path)?;
        let digest = array.digest();
        settings.reporter.finish();
        match settings.style {
            Style::Text => print(&format!("{}  {path}", digest?))?,
            Style::Json => {
                let (shape, dtype) = (array.shape()?, array.dtype()?);
                let line = serde_json::json!({
                    "schema": "outcore.digest/1",
                    "path": path,
                    "dtype": dtype.name(),
                    "shape": shape,
                    "digest": digest?.to_string(),
                });
                print(&line.to_string())?;
            }
        }
    }
    Ok(())
}
