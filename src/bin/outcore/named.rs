//! Which files a command line names: what it reads, and what it writes besides reports, traces and drawings.

use crate::{
    args::{Eval, Given, Mode, Quantize},
    inputs::{split_name, without_query},
    quantize::scales_of,
};
use outcore::store::joined;
use std::path::PathBuf;

/// The files of a command line, as far as its words say.
#[derive(Debug, Default)]
pub struct Files {
    /// What is read: every file of a list or a pattern, and the list itself.
    pub inputs: Vec<PathBuf>,
    /// What is written, without queries.
    pub outputs: Vec<PathBuf>,
}

impl Files {
    /// The files of a mode. Jobs in tasks know theirs by their folder.
    pub fn of(mode: &Mode) -> Files {
        let mut files = Files::default();
        match mode {
            Mode::Info(command) => files.read(&command.paths),
            Mode::Head(command) => files.read([&command.path]),
            Mode::Stats(command) => {
                files.read(&command.paths);
                files.outputs.extend(command.state.clone());
            }
            Mode::Eval(command) => files.of_statements(&command.eval),
            Mode::Explain(command) => files.of_statements(&command.eval),
            Mode::Plan(command) => files.given(&command.eval.given, &command.eval.text),
            Mode::Digest(command) => files.read(&command.paths),
            Mode::Topk(command) => {
                files.read([Some(&command.database), command.queries.as_ref(), command.filter.as_ref()].into_iter().flatten());
                files.write([&command.output, &command.scores].into_iter().flatten());
            }
            Mode::Pairs(command) => {
                files.read([Some(&command.database), command.with.as_ref()].into_iter().flatten());
                files.write([&command.output, &command.scores].into_iter().flatten());
            }
            Mode::Convert(command) => {
                files.read([&command.input]);
                files.write([&command.output]);
            }
            Mode::Verify(command) => files.read(&command.paths),
            Mode::Diff(command) => files.read([&command.left, &command.right]),
            Mode::Audit(command) => files.read([&command.path]),
            Mode::Quantize(command) => files.of_codes(command),
            Mode::Shuffle(command) => {
                files.read([&command.input]);
                files.write([&command.output]);
                files.outputs.extend(command.permutation.clone());
            }
            Mode::Split(command) => {
                files.read([&command.input]);
                files.write(command.parts.iter().map(|part| part.split_once('=').map_or(part.as_str(), |(_, path)| path)));
            }
            Mode::Pca(command) => {
                files.read([&command.path]);
                files.outputs.extend([&command.output, &command.components, &command.mean].into_iter().flatten().cloned());
            }
            Mode::Kmeans(command) => {
                files.read([&command.path]);
                files.outputs.extend([&command.output, &command.labels].into_iter().flatten().cloned());
            }
            Mode::Doctor(command) => files.inputs.extend(command.compare.clone()),
            Mode::Tune(command) => {
                files.read(command.words.iter().chain(command.text.iter().filter(|_| command.zarr)).map(|word| split_name(word).1));
                files.write(command.outputs.iter().map(|word| split_name(word).1));
            }
            Mode::Task(_) | Mode::Finish(_) | Mode::Demo(_) | Mode::Functions(_) | Mode::Completions(_) | Mode::Man(_) => {}
        }
        files
    }

    fn of_statements(&mut self, command: &Eval) {
        self.given(&command.given, &command.text);
    }

    fn given(&mut self, given: &Given, text: &Option<String>) {
        // With a file of statements the first word is an input.
        let first = text.iter().filter(|_| given.file.is_some());
        self.read(first.chain(&given.words).map(|word| split_name(word).1));
        self.inputs.extend(given.file.clone());
        self.write(given.outputs.iter().map(|word| split_name(word).1));
    }

    fn of_codes(&mut self, command: &Quantize) {
        self.read([&command.input]);
        self.write([&command.output]);
        match command.inverse {
            true => self.read([scales_of(command, &command.input)]),
            false => self.write([scales_of(command, &command.output)]),
        }
    }

    fn read(&mut self, words: impl IntoIterator<Item = impl AsRef<str>>) {
        for word in words {
            let path = bare(word.as_ref());
            self.inputs.extend(path.strip_prefix('@').map(PathBuf::from));
            // What cannot be opened is told when it is.
            match joined::files(path) {
                Ok(Some(files)) => self.inputs.extend(files),
                _ => self.inputs.push(PathBuf::from(path)),
            }
        }
    }

    fn write(&mut self, words: impl IntoIterator<Item = impl AsRef<str>>) {
        self.outputs.extend(words.into_iter().map(|word| PathBuf::from(bare(word.as_ref()))));
    }
}

/// A path without its query, and without the name of an array inside of the file.
fn bare(word: &str) -> &str {
    let path = without_query(word);
    if std::path::Path::new(path).exists() { path } else { path.split_once('#').map_or(path, |(file, _)| file) }
}
