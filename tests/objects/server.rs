//! A server of the S3 protocol on loopback, with a bucket for every way in which a server can fail, and a web server beside it.

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE},
    service::{Service, service_fn},
};
use hyper_util::rt::TokioIo;
use s3s::{
    Body,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};
use tokio::net::TcpListener;

pub const KEY: &str = "outcore";
pub const SECRET: &str = "a-secret-of-tests";

/// Buckets, and what goes wrong with the requests for them.
pub const BUCKETS: [(&str, Fault); 8] = [
    ("plain", Fault::None),
    ("other", Fault::None),
    ("slow", Fault::Slow),
    ("failing", Fault::Fails { every: 3 }),
    ("resetting", Fault::Resets { every: 3 }),
    ("truncating", Fault::Truncates { every: 3 }),
    ("short", Fault::Short),
    ("dead", Fault::Fails { every: 1 }),
];

/// What a server does to requests for objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Every answer takes a while.
    Slow,
    /// One of so many requests is answered with 500 and 503 before it is answered.
    Fails {
        every: usize,
    },
    /// The connection of one of so many requests is closed twice without an answer.
    Resets {
        every: usize,
    },
    /// Of one of so many answers half a body comes twice, and then the end of the connection.
    Truncates {
        every: usize,
    },
    /// All answers say to have fewer bytes than were asked for, and have them.
    Short,
}

/// The server of all tests.
pub struct Server {
    pub endpoint: String,
    folder: PathBuf,
    state: Arc<State>,
}

struct State {
    folder: PathBuf,
    s3: S3Service,
    /// Requests by the first part of their paths.
    seen: Mutex<HashMap<String, Vec<String>>>,
}

/// Starts the server, once, and points the variables of this process to it.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        for (bucket, _) in BUCKETS.iter().chain(&[("web", Fault::None)]) {
            std::fs::create_dir(folder.join(bucket)).unwrap();
        }
        let mut s3 = S3ServiceBuilder::new(s3s_fs::FileSystem::new(&folder).unwrap());
        s3.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let state = Arc::new(State { folder: folder.clone(), s3: s3.build(), seen: Mutex::default() });
        let endpoint = listen(Arc::clone(&state));
        for (name, value) in environment(&endpoint) {
            // SAFETY: every test calls this first, and none has threads of its own before.
            unsafe { std::env::set_var(name, value) };
        }
        Server { endpoint, folder, state }
    })
}

/// Variables that lead a client to the server.
pub fn environment(endpoint: &str) -> Vec<(&'static str, String)> {
    let text = |value: &str| value.to_string();
    vec![
        ("AWS_ENDPOINT_URL", text(endpoint)),
        ("AWS_ALLOW_HTTP", text("true")),
        ("AWS_ACCESS_KEY_ID", text(KEY)),
        ("AWS_SECRET_ACCESS_KEY", text(SECRET)),
        ("AWS_REGION", text("us-east-1")),
        ("NO_PROXY", text("127.0.0.1")),
    ]
}

fn listen(state: Arc<State>) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    // Connections that are broken on purpose end with an error.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
    });
    format!("http://{}", told.recv().unwrap())
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let path = request.uri().path().trim_start_matches('/').to_string();
    let bucket = path.split('/').next().unwrap_or_default().to_string();
    let range = request.headers().get(RANGE).map_or("-".to_string(), |range| range.to_str().unwrap().to_string());
    let line = format!("{} {path} {range}", request.method());
    let tries = {
        let mut seen = state.seen.lock().unwrap();
        let seen = seen.entry(bucket.clone()).or_default();
        seen.push(line.clone());
        seen.iter().filter(|other| **other == line).count()
    };
    if bucket == "web" {
        return Ok(web(&state, request.method(), &path.replace("%20", " "), &range));
    }
    let fault = BUCKETS.iter().find(|(name, _)| *name == bucket).map_or(Fault::None, |(_, fault)| *fault);
    // Some requests, the same ones in every run, go wrong twice; other tests do not matter.
    let mark = line.bytes().fold(7usize, |mark, byte| mark.wrapping_mul(31).wrapping_add(byte.into()));
    let is_turn = |every: usize| every == 1 || mark.is_multiple_of(every) && tries <= 2;
    match fault {
        Fault::Slow => tokio::time::sleep(Duration::from_millis(40)).await,
        Fault::Fails { every } if is_turn(every) => {
            let status = if tries.is_multiple_of(2) { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
            return Ok(Response::builder()
                .status(status)
                .body(Body::from(Bytes::from_static(b"<Error><Code>SlowDown</Code></Error>")))
                .unwrap());
        }
        Fault::Resets { every } if is_turn(every) => return Err(io::ErrorKind::ConnectionReset.into()),
        _ => {}
    }
    let is_get = request.method() == Method::GET && request.uri().query().is_none();
    let response = Service::call(&state.s3, request).await.map_err(|_| io::Error::other("the server failed"))?;
    match fault {
        Fault::Truncates { every } if is_get && is_turn(every) => Ok(cut(response, false).await),
        Fault::Short if is_get => Ok(cut(response, true).await),
        _ => Ok(response),
    }
}

/// The first half of a body; the head tells of it if it `is_said`.
async fn cut(response: Response<Body>, is_said: bool) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let whole = body.collect().await.unwrap().to_bytes();
    let half = whole.slice(..whole.len() / 2);
    if is_said {
        head.headers.insert(CONTENT_LENGTH, half.len().into());
        return Response::from_parts(head, Body::from(half));
    }
    let end = io::Error::from(io::ErrorKind::ConnectionReset);
    let frames = stream::iter([Ok(Frame::data(half)), Err(end)]);
    Response::from_parts(head, Body::http_body_unsync(StreamBody::new(frames)))
}

/// Files as a plain web server gives them: no etags, ranges from the beginning alone.
fn web(state: &State, method: &Method, path: &str, range: &str) -> Response<Body> {
    let Ok(bytes) = std::fs::read(state.folder.join(path)) else {
        return Response::builder().status(StatusCode::NOT_FOUND).body(Body::empty()).unwrap();
    };
    let bytes = Bytes::from(bytes);
    let length = bytes.len();
    let made = Response::builder().header("last-modified", "Sat, 01 Nov 2025 10:00:00 GMT").header("accept-ranges", "bytes");
    let wanted = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let wanted =
        wanted.and_then(|(from, to)| Some((from.parse::<usize>().ok()?, to.parse::<usize>().unwrap_or(length - 1).min(length - 1))));
    let body = |part: Bytes| if method == Method::HEAD { Body::empty() } else { Body::from(part) };
    match wanted {
        Some((from, to)) => {
            let part = bytes.slice(from..=to);
            let made = made.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, format!("bytes {from}-{to}/{length}"));
            made.header(CONTENT_LENGTH, part.len()).body(body(part)).unwrap()
        }
        None => made.header(CONTENT_LENGTH, length).body(body(bytes)).unwrap(),
    }
}

impl Server {
    /// Where an object of a bucket lies.
    pub fn path(&self, bucket: &str, key: &str) -> PathBuf {
        let path = self.folder.join(bucket).join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Requests for a bucket that came until now.
    pub fn count(&self, bucket: &str) -> usize {
        self.state.seen.lock().unwrap().get(bucket).map_or(0, Vec::len)
    }

    /// Requests for objects of a bucket whose keys begin with `prefix`, after the first `from` of the bucket.
    pub fn seen(&self, bucket: &str, prefix: &str, from: usize) -> Vec<String> {
        let seen = self.state.seen.lock().unwrap();
        let seen = seen.get(bucket).map(Vec::as_slice).unwrap_or_default();
        let start = format!("{bucket}/{prefix}");
        seen.iter().skip(from).filter(|line| line.split(' ').nth(1).unwrap().starts_with(&start)).cloned().collect()
    }
}
