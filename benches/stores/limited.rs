//! A job in a memory cgroup of a quarter of its file, cold, beside large sequential requests for the same bytes.

use std::{
    fs::File,
    io::{Result, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

/// A memory cgroup of its own, gone with this value.
pub struct Group(PathBuf);

impl Group {
    /// `None` where no memory cgroup can be made.
    pub fn new(bytes: u64) -> Option<Group> {
        let one = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes");
        let two = ("/sys/fs/cgroup", "memory.max");
        let (root, file) = if Path::new(one.0).join(one.1).exists() { one } else { two };
        let folder = Path::new(root).join(format!("outcore-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).ok()?;
        let group = Group(folder);
        std::fs::write(group.0.join(file), bytes.to_string()).ok()?;
        Some(group)
    }

    /// Runs a command inside the group.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let script = "echo $$ > \"$0\"; exec \"$@\"";
        Command::new("sh").arg("-c").arg(script).arg(self.0.join("cgroup.procs")).arg(program).args(arguments).output()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Lets the kernel forget the pages of a file.
pub fn drop_pages(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    file.sync_all()?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}

/// Seconds for reading a cold file `reads` times and writing as many bytes as it has, made durable: 8 MiB requests, two threads.
pub fn read_and_write_cold(path: &Path, reads: u64, folder: &Path) -> Result<f64> {
    const PIECE: u64 = 8 << 20;
    let (input, bytes) = (File::open(path)?, path.metadata()?.len());
    let out_path = folder.join(".limit-cold");
    let mut seconds = 0.0;
    for _ in 0..reads {
        drop_pages(path)?;
        let start = Instant::now();
        on_two_threads(bytes.div_ceil(PIECE), &|index, piece| {
            let length = PIECE.min(bytes - index * PIECE) as usize;
            input.read_exact_at(&mut piece[..length], index * PIECE)
        })?;
        seconds += start.elapsed().as_secs_f64();
    }
    let mut out = File::create(&out_path)?;
    let start = Instant::now();
    on_two_threads(bytes.div_ceil(PIECE), &|index, piece| out.write_all_at(piece, index * PIECE))?;
    out.flush()?;
    out.sync_all()?;
    seconds += start.elapsed().as_secs_f64();
    std::fs::remove_file(out_path)?;
    Ok(seconds)
}

fn on_two_threads(pieces: u64, work: &(dyn Fn(u64, &mut [u8]) -> Result<()> + Sync)) -> Result<()> {
    std::thread::scope(|scope| {
        let run = |worker: u64| {
            scope.spawn(move || {
                let mut piece = vec![0x5au8; 8 << 20];
                (worker..pieces).step_by(2).try_for_each(|index| work(index, &mut piece))
            })
        };
        let workers = [run(0), run(1)];
        workers.into_iter().try_for_each(|worker| worker.join().expect("the worker does not panic"))
    })
}
