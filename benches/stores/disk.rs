//! What the disk takes for as many bytes.

use std::{fs::File, os::unix::fs::FileExt, path::Path, time::Instant};

const PIECE: usize = 8 << 20;

/// Seconds for writing `written` bytes into a fresh file with one fsync, and reading `read` bytes of it (as warm as it then is):
/// 8 MiB requests from two threads, half of each in turn.
pub fn read_and_write(folder: &Path, read: u64, written: u64) -> std::io::Result<f64> {
    let path = folder.join(".limit-moved");
    let file = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
    let start = Instant::now();
    let pieces = written.div_ceil(PIECE as u64).max(1);
    let work = &|worker: u64, read_too: bool| -> std::io::Result<()> {
        let mut piece = vec![0x5au8; PIECE];
        let pieces_read = read.div_ceil(PIECE as u64);
        let count = if read_too { pieces_read } else { pieces };
        for index in (worker..count).step_by(2) {
            let offset = (index % pieces) * PIECE as u64;
            if read_too { file.read_exact_at(&mut piece, offset)? } else { file.write_all_at(&piece, offset)? }
        }
        Ok(())
    };
    for read_too in [false, true] {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..2).map(|worker| scope.spawn(move || work(worker, read_too))).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("the worker does not panic"))
        })?;
        if !read_too {
            file.sync_all()?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(seconds)
}
