use crate::{args::Demo, settings::Settings};
pub fn run(_: &Demo, _: &Settings) -> outcore::Result<()> { Ok(()) }
