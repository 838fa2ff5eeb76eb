//! What went wrong with an object, in words: which one, what the server said, and what to do.

use crate::error::{Error, ErrorKind, Result};
use std::{error::Error as _, path::Path};

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Open,
    Read,
    List,
    Write,
}

impl Doing {
    fn word(self) -> &'static str {
        match self {
            Doing::Open => "open",
            Doing::Read => "read",
            Doing::List => "list",
            Doing::Write => "write",
        }
    }
}

/// Variables of which one is enough to speak with S3, without asking the machine for its role.
const AWS_VARIABLES: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
];
const AWS_HINT: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (`aws configure export-credentials --format env` prints them), \
                        AWS_REGION or AWS_ENDPOINT_URL; AWS_SKIP_SIGNATURE=true for a public bucket";
/// What the client says of an answer that is not a part.
const WHOLE: &str = "non-partial response";
/// Characters of what a server said that an error shows.
const SAID_MAX: usize = 300;

/// An error if nothing says who asks. Without it the client would look for the role of a machine of Amazon's, which takes most of a minute
/// wherever there is none.
pub(super) fn check_credentials(root: &str) -> Result<()> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let vendor = std::fs::read_to_string(Path::new("/sys/class/dmi/id/sys_vendor")).unwrap_or_default();
    if AWS_VARIABLES.iter().any(is_set) || vendor.contains("Amazon") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Io, format!("cannot open {root}: there are no credentials for it in the environment")).hint(AWS_HINT))
}

/// The error about an object.
pub(super) fn explain(url: &str, doing: Doing, error: &object_store::Error) -> Error {
    use object_store::Error as Failed;
    let what = doing.word();
    match error {
        Failed::NotFound { source, .. } => {
            let code = code_of(&source.to_string()).filter(|code| code != "NoSuchKey").map_or(String::new(), |code| format!(", {code}"));
            Error::not_found(format!("cannot {what} {url}: there is no such object (404{code})"))
        }
        Failed::Precondition { .. } | Failed::NotModified { .. } => changed(url, "it has another etag"),
        Failed::PermissionDenied { source, .. } => {
            let text = format!("cannot {what} {url}: the server refused it (403{})", said_code(&source.to_string()));
            Error::new(ErrorKind::Io, text)
                .hint(format!("{}; a store that may not be listed answers so for what is not there, too", credentials_hint(url)))
        }
        Failed::Unauthenticated { .. } => {
            Error::new(ErrorKind::Io, format!("cannot {what} {url}: the server does not know who asks (401)")).hint(credentials_hint(url))
        }
        Failed::InvalidPath { source } => Error::usage(format!("cannot {what} {url}: {source}")),
        other => {
            let text = text_of(other);
            let made = Error::new(ErrorKind::Io, format!("cannot {what} {url}: {}", brief(&text)));
            match hint_of(url, &text) {
                Some(hint) => made.hint(hint),
                None => made,
            }
        }
    }
}

/// The error about an object that is not what it was.
pub(super) fn changed(url: &str, how: &str) -> Error {
    Error::changed(format!("{url} changed while it was being read ({how})"))
        .hint("results of an object that changes are worth nothing: let its writer finish, then start again")
}

/// The error about a response that ended early.
pub(super) fn truncated(url: &str, offset: u64, wanted: u64, got: u64) -> Error {
    Error::new(ErrorKind::Io, format!("cannot read {url}: the response for bytes {offset}..{} ended after {got}", offset + wanted))
        .hint("the connection or a server between is failing: start again")
}

/// Whether a server answered that an object has no bytes in a range.
pub(super) fn is_out_of_range(error: &object_store::Error) -> bool {
    let text = text_of(error);
    text.contains("416") || text.contains("InvalidRange")
}

/// Whether a connection broke before there was an answer, and nothing was tried again.
pub(super) fn broke_off(error: &object_store::Error) -> bool {
    let text = text_of(error);
    text.contains("error sending request") && !text.contains("max_retries")
}

/// Whether a server answered with all of an object where a part was asked for.
pub(super) fn gives_no_parts(error: &object_store::Error) -> bool {
    text_of(error).contains(WHOLE)
}

fn hint_of(url: &str, text: &str) -> Option<String> {
    if text.contains("169.254.169.254")
        || text.contains("metadata.google.internal")
        || text.contains("redential")
        || text.contains("ccount")
    {
        return Some(credentials_hint(url).to_string());
    }
    if text.contains(WHOLE) {
        return Some("the server gives no parts of files: download it first".to_string());
    }
    if text.contains("builder error") || text.contains("scheme is not") || text.contains("not allowed") {
        return Some("AWS_ALLOW_HTTP=true lets an endpoint be one without encryption".to_string());
    }
    text.contains("retries").then(|| "the server is failing or cannot be reached: start again later".to_string())
}

fn credentials_hint(url: &str) -> &'static str {
    match url.split("://").next().unwrap_or_default() {
        "s3" | "s3a" => AWS_HINT,
        "gs" => "set GOOGLE_APPLICATION_CREDENTIALS to the file of an account, or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
        "http" | "https" => "servers that ask for a name and a password are not read",
        _ => "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_SKIP_SIGNATURE=true",
    }
}

/// An error and its causes, each once.
fn text_of(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

fn brief(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SAID_MAX { line } else { line.chars().take(SAID_MAX).chain("...".chars()).collect() }
}

/// The code that S3 says errors with.
fn code_of(text: &str) -> Option<String> {
    let code = text.split("<Code>").nth(1)?.split("</Code>").next()?;
    (code.len() < 60).then(|| code.to_string())
}

fn said_code(text: &str) -> String {
    code_of(text).map_or(String::new(), |code| format!(", {code}"))
}
