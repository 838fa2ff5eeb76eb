//! Clients: one per bucket or server, shared by everything that is open there, and the runtime that its requests run on.

use super::{
    fault::{self, Doing},
    scheme_of,
};
use crate::error::{Error, Result};
use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, http::HttpBuilder, path::Path,
};
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::runtime::{Builder, Handle, Runtime};

/// How often a request is tried again that failed for a reason that may pass, and for how long.
const RETRIES_MAX: usize = 6;
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// What looks a name up is let go of after this, when the last thing that is open there is closed.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Clients by bucket or server. They end with the last thing that is open there.
static CLIENTS: Mutex<Option<HashMap<String, Weak<Client>>>> = Mutex::new(None);

/// What speaks with one bucket, container or server.
pub(super) struct Client {
    /// Scheme, and bucket or server: `s3://bucket`.
    pub root: String,
    pub store: Arc<dyn ObjectStore>,
    /// There until the client is dropped.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.root)
    }
}

/// Where an address leads.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub client: Arc<Client>,
    pub path: Path,
}

impl Address {
    /// Reads an address, and finds or makes the client that it is for.
    pub fn parse(url: &str) -> Result<Self> {
        let scheme = scheme_of(url).ok_or_else(|| Error::usage(format!("{url} is no address of an object")))?;
        let (host, key) = url[scheme.len()..].split_once('/').unwrap_or((&url[scheme.len()..], ""));
        if host.is_empty() {
            return Err(Error::usage(format!("{url} names no bucket")).hint("as in s3://bucket/folder/x.npy or https://server/x.npy"));
        }
        // Keys of buckets are meant as they are spelt; a web server's path may have spelt some letters by their numbers.
        let key = key.trim_end_matches('/');
        let path = if scheme.starts_with("http") { Path::from_url_path(key) } else { Path::parse(key) };
        let path = path.map_err(|error| Error::usage(format!("{url} is no address of an object: {error}")))?;
        Ok(Address { client: Client::of(scheme, host)?, path })
    }
}

impl Client {
    /// The client of a bucket or server.
    fn of(scheme: &str, host: &str) -> Result<Arc<Self>> {
        let root = format!("{scheme}{host}");
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = clients.get_or_insert_default();
        if let Some(there) = clients.get(&root).and_then(Weak::upgrade) {
            return Ok(there);
        }
        let made = Arc::new(Client::new(scheme, host, root.clone())?);
        clients.retain(|_, client| client.strong_count() > 0);
        clients.insert(root, Arc::downgrade(&made));
        Ok(made)
    }

    fn new(scheme: &str, host: &str, root: String) -> Result<Self> {
        if scheme.starts_with("s3") {
            fault::check_credentials(&root)?;
        }
        let store = store_of(scheme, host, &root);
        let store = store.map_err(|error| fault::explain(&root, Doing::Open, &error))?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| Error::io("start the client of", &root, error))?;
        Ok(Client { root, store, runtime: Some(runtime) })
    }

    /// Waits for what `work` does. The calling thread, or another one that waits too, moves the requests of all of them.
    pub fn wait<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let runtime = self.runtime.as_ref().expect("only dropping takes it");
        if Handle::try_current().is_err() {
            return runtime.block_on(work);
        }
        // The caller is part of a runtime itself, which must not be blocked by another one: on a thread of its own, which ends here.
        std::thread::scope(|scope| {
            let waited = scope.spawn(|| runtime.block_on(work)).join();
            waited.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if Handle::try_current().is_ok() { runtime.shutdown_background() } else { runtime.shutdown_timeout(SHUTDOWN_TIMEOUT) }
    }
}

/// The client of one bucket or server, set up by the variables that its kind of store has.
fn store_of(scheme: &str, host: &str, root: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    let backoff = BackoffConfig { init_backoff: BACKOFF_FIRST, max_backoff: BACKOFF_MAX, base: 2. };
    let retry = RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT };
    Ok(match scheme {
        "s3://" | "s3a://" => Arc::new(AmazonS3Builder::from_env().with_bucket_name(host).with_retry(retry).build()?),
        "gs://" => Arc::new(GoogleCloudStorageBuilder::from_env().with_bucket_name(host).with_retry(retry).build()?),
        "http://" | "https://" => {
            // The address says whether it is to be encrypted.
            let options = ClientOptions::new().with_allow_http(true);
            Arc::new(HttpBuilder::new().with_url(root).with_client_options(options).with_retry(retry).build()?)
        }
        _ => Arc::new(MicrosoftAzureBuilder::from_env().with_url(root).with_retry(retry).build()?),
    })
}
