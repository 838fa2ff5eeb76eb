//! Tests of mapped windows: alignment, changes under them, and the guard against bus errors.

use super::*;
use std::{fs::File, io::Write, path::Path, sync::RwLock};

/// Held for writing by the test that uses up the slots, for reading by those that need one.
static SLOTS_IN_USE: RwLock<()> = RwLock::new(());

fn file_of(path: &Path, bytes: usize) -> Arc<InputFile> {
    let content: Vec<u8> = (0..bytes).map(|place| (place % 251) as u8).collect();
    File::create(path).unwrap().write_all(&content).unwrap();
    Arc::new(InputFile::open(path).unwrap())
}

fn kind_of(window: &Window) -> String {
    format!("{window:?}")
}

#[test]
fn windows_go_to_other_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Window>();
}

#[test]
fn windows_begin_at_any_byte() {
    let _slots = SLOTS_IN_USE.read();
    let folder = tempfile::tempdir().unwrap();
    let file = file_of(&folder.path().join("x"), 20_000);
    for (offset, length) in [(0, 20_000), (1, 1), (4095, 2), (4096, 4096), (128, 10_000), (19_999, 1)] {
        let window = Window::of_file(&file, offset, length).unwrap();
        assert!(window.iter().enumerate().all(|(place, &byte)| byte == ((offset as usize + place) % 251) as u8));
        assert!(kind_of(&window).contains("mapped") && window.check().is_ok());
    }
    assert!(Window::of_file(&file, 5, 0).unwrap().is_empty());
}

#[test]
fn a_change_is_seen_when_mapping_and_after_use() {
    let _slots = SLOTS_IN_USE.read();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let file = file_of(&path, 10_000);
    let window = Window::of_file(&file, 0, 10_000).unwrap();
    File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
    assert_eq!(window.check().unwrap_err().kind(), ErrorKind::Changed);
    assert!(Window::of_file(&file, 0, 10).unwrap_err().message().contains("size 10000 -> 10004"));
}

#[test]
fn a_file_that_shrinks_under_a_window_is_an_error_and_not_a_signal() {
    let _slots = SLOTS_IN_USE.read();
    install_sigbus_guard().unwrap();
    install_sigbus_guard().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let other = Window::of_file(&file_of(&folder.path().join("other"), 5000), 0, 5000).unwrap();
    let file = file_of(&path, 1 << 20);
    let windows: Vec<Window> = (0..4).map(|_| Window::of_file(&file, 100, (1 << 20) - 100).unwrap()).collect();
    File::options().write(true).open(&path).unwrap().set_len(5000).unwrap();
    std::thread::scope(|scope| {
        for window in &windows {
            scope.spawn(move || {
                let sum: u64 = window.iter().map(|&byte| u64::from(byte)).sum();
                assert!(sum > 0 && window[8192..].iter().all(|&byte| byte == 0), "lost pages read as zeros");
                let error = window.check().unwrap_err();
                assert!(error.kind() == ErrorKind::Changed, "{error}");
                assert!(error.message().ends_with("x.npy shrank while it was mapped (size 1048576 -> 5000)"), "{error}");
            });
        }
    });
    assert!(other.check().is_ok(), "other windows are not blamed");
    drop(windows);
    // Slots are given back clean.
    let again = Window::of_file(&file_of(&folder.path().join("again"), 5000), 0, 5000).unwrap();
    assert!(again.check().is_ok());
}

#[test]
fn more_windows_than_slots_are_read() {
    let _slots = SLOTS_IN_USE.write();
    let folder = tempfile::tempdir().unwrap();
    let file = file_of(&folder.path().join("x"), 5000);
    let windows: Vec<Window> = (0..SLOTS_MAX + 10).map(|_| Window::of_file(&file, 1000, 3000).unwrap()).collect();
    assert!(windows.iter().filter(|window| kind_of(window).contains("copied")).count() >= 10);
    assert!(windows.iter().all(|window| **window == *windows[0] && window.check().is_ok()));
}

/// Set in the child process of the next test: `sent`, or the folder for a fault.
const CHILD: &str = "OUTCORE_TEST_SIGBUS_CHILD";

#[test]
fn a_bus_error_elsewhere_ends_the_process_as_ever() {
    use std::os::unix::process::ExitStatusExt;
    if let Some(how) = std::env::var_os(CHILD) {
        install_sigbus_guard().unwrap();
        if how == "sent" {
            // Twice: the handler before ours is Rust's own, which answers a first one by restoring the default action.
            for _ in 0..2 {
                // SAFETY: raise takes any signal number.
                unsafe { libc::raise(libc::SIGBUS) };
            }
        }
        // The parent's folder: this process dies before it could remove one.
        let path = Path::new(&how).join("x");
        let file = file_of(&path, 10_000);
        // SAFETY: the mapping is read once, in this process that is meant to die of it.
        let map = unsafe { memmap2::Mmap::map(file.file().unwrap()).unwrap() };
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        std::process::exit(i32::from(std::hint::black_box(map[0])));
    }
    let folder = tempfile::tempdir().unwrap();
    for how in ["sent".as_ref(), folder.path().as_os_str()] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::mmap::tests::a_bus_error_elsewhere_ends_the_process_as_ever"])
            .env(CHILD, how)
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{how:?}: {output:?}");
    }
}
