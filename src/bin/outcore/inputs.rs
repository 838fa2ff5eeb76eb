//! `NAME=PATH`, one bare `PATH`, and imagined arrays `x=f32[4000000,768]`.

use crate::output::note;
use outcore::{Array, DType, Error, ErrorKind, Result, Session, store::joined};

/// The name of an input or output that is given without one.
const BARE_NAME: &str = "x";

/// Splits at the first `=` if an identifier stands before it. (`x.bin?dtype=f32` is a path.)
pub fn split_name(word: &str) -> (Option<&str>, &str) {
    match word.split_once('=') {
        Some((name, path)) if is_identifier(name) => (Some(name), path),
        _ => (None, word),
    }
}

/// The path without its query. A file that exists as written wins.
pub fn without_query(path: &str) -> &str {
    if std::path::Path::new(path).exists() { path } else { path.rsplit_once('?').map_or(path, |(path, _)| path) }
}

fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}

/// Names and paths of the inputs; the one without a name is called `x`.
pub fn named(words: &[String]) -> Result<Vec<(String, String)>> {
    let mut inputs: Vec<(String, String)> = Vec::new();
    let mut bare: Option<&str> = None;
    for word in words {
        let (name, path) = split_name(word);
        if path.is_empty() {
            return Err(Error::usage(format!("`{word}`: no path after `=`")));
        }
        if name.is_none() {
            if let Some(first) = bare {
                return Err(Error::usage(format!("`{first}` and `{path}`: only one input can be without a name"))
                    .hint(format!("a={first} b={path}; if the first is the statements, quote them as one word")));
            }
            bare = Some(path);
        }
        let name = name.unwrap_or(BARE_NAME);
        if inputs.iter().any(|(known, _)| known == name) {
            return Err(Error::usage(format!("two inputs are called `{name}`")).hint("give every input its own name: NAME=PATH"));
        }
        inputs.push((name.to_string(), path.to_string()));
    }
    Ok(inputs)
}

/// Opens an array for a command that has no report, whose warnings would say as much of it.
pub fn open_one(session: &Session, path: &str) -> Result<Array> {
    let array = session.open(path).checked()?;
    warn_of_order(path)?;
    Ok(array)
}

/// Says that files are joined in another order than their numbers have.
pub fn warn_of_order(path: &str) -> Result<()> {
    let file = without_query(path);
    if let Some(text) = joined::files(file)?.and_then(|paths| joined::order_warning(path, &paths)) {
        note("warning", &text);
    }
    Ok(())
}

/// Opens the inputs. Every one is looked at before any is read.
pub fn open(session: &Session, inputs: &[(String, String)]) -> Result<Vec<(String, Array)>> {
    let open = |path: &String| {
        session.open(path).checked().map_err(|error| match error.kind() {
            ErrorKind::NotFound if imagined(path).is_some() => error.hint("only `outcore explain` imagines inputs"),
            _ => error,
        })
    };
    inputs.iter().map(|(name, path)| Ok((name.clone(), open(path)?))).collect()
}

/// Opens the inputs; those like `f32[4000000,768]` are imagined, unless a file is called so.
pub fn open_or_imagine(session: &Session, inputs: &[(String, String)]) -> Result<Vec<(String, Array)>> {
    let one = |(name, path): &(String, String)| {
        let array = match imagined(path) {
            Some((dtype, shape)) if !std::path::Path::new(path).exists() => session.imagine_as(name, dtype, shape?),
            _ => open_one(session, path)?,
        };
        Ok((name.clone(), array.checked()?))
    };
    inputs.iter().map(one).collect()
}

/// What the statements call the store that a report calls `store`. One file under two names has both.
pub fn name_of_store(store: &str, inputs: &[(String, Array)]) -> String {
    let names: Vec<&str> = inputs.iter().filter(|(_, array)| array.source_name() == Some(store)).map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { store.to_string() } else { names.join(", ") }
}

/// Dtype and shape of `f32[4000000,768]`; `None` if the text has not that form.
fn imagined(text: &str) -> Option<(DType, Result<Vec<usize>>)> {
    let (dtype, rest) = text.split_once('[')?;
    let lengths = rest.strip_suffix(']')?;
    let dtype = dtype.parse().ok()?;
    let length = |part: &str| {
        let part = part.trim().replace('_', "");
        part.parse().map_err(|_| Error::usage(format!("`{text}`: `{part}` is no length")).hint("as in x=f32[4000000,768]"))
    };
    let shape = lengths.split(',').map(str::trim).filter(|part| !part.is_empty()).map(length).collect();
    Some((dtype, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_the_first_equals_sign_after_an_identifier() {
        let cases = [
            ("x=a.npy", (Some("x"), "a.npy")),
            ("x=a=b.npy", (Some("x"), "a=b.npy")),
            ("a.npy", (None, "a.npy")),
            ("x.bin?dtype=f32", (None, "x.bin?dtype=f32")),
            ("x=x.bin?dtype=f32", (Some("x"), "x.bin?dtype=f32")),
            ("./a=b.npy", (None, "./a=b.npy")),
            ("2x=a.npy", (None, "2x=a.npy")),
        ];
        for (word, want) in cases {
            assert_eq!(split_name(word), want, "{word}");
        }
    }

    #[test]
    fn names_are_unique_and_one_may_be_bare() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(named(&words(&["a.npy"])).unwrap(), [("x".to_string(), "a.npy".to_string())]);
        for bad in [&["a.npy", "b.npy"][..], &["x=a.npy", "x=b.npy"], &["a.npy", "x=b.npy"], &["x="]] {
            assert!(named(&words(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn imagined_arrays() {
        let (dtype, shape) = imagined("f32[4_000_000, 768]").unwrap();
        assert_eq!((dtype, shape.unwrap()), (DType::F32, vec![4_000_000, 768]));
        assert_eq!(imagined("f64[]").unwrap().1.unwrap(), Vec::<usize>::new());
        assert!(imagined("f32[a]").unwrap().1.is_err());
        assert!(imagined("a[1].npy").is_none() && imagined("shards[1]").is_none());
    }
}
