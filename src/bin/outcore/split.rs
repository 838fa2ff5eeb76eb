//! `outcore shuffle` and `outcore split`: rows in a random order, and in several files.

use crate::{
    args::{Shuffle, Split},
    saving,
    settings::Settings,
    signals,
};
use outcore::{Array, Error, Random, Result, RowOrder, RunReport};
use std::path::Path;

/// Rows in a random order.
pub fn shuffle(command: &Shuffle, settings: &Settings) -> Result<()> {
    let opened = settings.session.open(&command.input).checked()?;
    let save = saving::save(settings).zarr(command.layout.options()?);
    let random = Random::new(command.seed);
    let _guard = signals::guard(&settings.session);
    let (output, order) = (Path::new(&command.output), command.permutation.as_deref());
    let done = match order {
        Some(order) => opened.save_shuffled_with_order(random, output, order, save),
        None => opened.save_shuffled(random, output, save),
    };
    let paths: Vec<&Path> = std::iter::once(output).chain(order).collect();
    tell(&opened, done, &paths, settings)
}

/// Rows in several files.
pub fn split(command: &Split, settings: &Settings) -> Result<()> {
    let opened = settings.session.open(&command.input).checked()?;
    let parts = shares(&command.parts)?;
    let save = saving::save(settings).zarr(command.layout.options()?);
    let order = if command.in_order { RowOrder::Kept } else { RowOrder::Shuffled(Random::new(command.seed)) };
    let _guard = signals::guard(&settings.session);
    let done = opened.save_split(order, &parts, save);
    tell(&opened, done, &parts.iter().map(|(_, path)| Path::new(*path)).collect::<Vec<_>>(), settings)
}

/// Shares and paths; one share may be `rest`.
fn shares(words: &[String]) -> Result<Vec<(f64, &str)>> {
    let mut made = Vec::new();
    let mut rest = None;
    for word in words {
        let parts = word.split_once('=').filter(|(_, path)| !path.is_empty());
        let (share, path) = parts.ok_or_else(|| Error::usage(format!("`{word}` is not SHARE=PATH")).hint("0.8=train.npy rest=test.npy"))?;
        if share == "rest" && rest.replace(made.len()).is_none() {
            made.push((0.0, path));
            continue;
        }
        let share =
            share.parse().map_err(|_| Error::usage(format!("`{word}`: `{share}` is no share")).hint("0.8=train.npy rest=test.npy"))?;
        made.push((share, path));
    }
    if let Some(place) = rest {
        made[place].0 = 1.0 - made.iter().map(|(share, _)| share).sum::<f64>();
    }
    Ok(made)
}

fn tell(opened: &Array, done: Result<RunReport>, paths: &[&Path], settings: &Settings) -> Result<()> {
    settings.reporter.finish();
    saving::tell(done?, &[("x".to_string(), opened.clone())], paths, &[], settings)
}
