//! From embeddings as a model gave them to a search in a twelfth of the bytes: audit, centre, PCA, normalise, int8, top-k; and how many
//! of the nearest rows that finds. On the 1140 sentences of `data/`; any `.npy` of vectors does.
//!
//! `cargo run --release --example pipeline [embeddings.npy [sentences.txt]]`

use ndarray::{Array1, s};
use outcore::{AuditSpec, Int8, Neighbours, Norm, Pca, PcaOptions, Result, Save, ScaleOf, Search, Session};
use std::{collections::HashSet, path::PathBuf};

/// Dimensions that are kept.
const KEPT: usize = 128;
/// Neighbours of a row.
const NEAREST: usize = 10;

fn main() -> Result<()> {
    let session = Session::builder().memory("128MiB").build()?;
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut paths = std::env::args().skip(1).map(PathBuf::from);
    let (vectors, text) = match (paths.next(), paths.next()) {
        (None, _) => (data.join("sentences.npy"), Some(data.join("sentences.txt"))),
        (Some(vectors), text) => (vectors, text),
    };
    let folder = tempfile::tempdir().map_err(|error| outcore::Error::io("create", "a temporary folder", error))?;
    let file = |name: &str| folder.path().join(name);
    let x = session.open(&vectors);

    looked_over(&x)?;
    let pca = centred(&session, &x)?;

    // Turned, cut and scaled to length 1 as they are read; codes, scales and the vectors themselves are written in one job.
    let short = pca.transform(&x).normalize(Norm::L2, -1, f64::from(f32::MIN_POSITIVE));
    let quantised = short.quantize_int8(Int8::per(ScaleOf::Row));
    let outputs = [(&short, file("short.npy")), (&quantised.codes, file("codes.npy")), (&quantised.scales, file("scales.npy"))];
    let report = session.save_all(outputs, Save::new())?;
    let bytes = |name: &str| std::fs::metadata(file(name)).map(|metadata| metadata.len()).unwrap_or(0);
    let whole = std::fs::metadata(&vectors).map(|metadata| metadata.len()).unwrap_or(0);
    let coded = bytes("codes.npy") + bytes("scales.npy");
    println!("int8: {whole} bytes became {coded}, peak {} KiB", report.stats.bytes_peak_held >> 10);

    // The scale of a row does not change its cosines, so the codes are searched as they are.
    let (codes, short) = (session.open(file("codes.npy")), session.open(file("short.npy")));
    let search = Search::nearest(NEAREST);
    let found = codes.nearest_neighbours(&search)?;
    let exact = (&x - x.mean(0)).nearest_neighbours(&search)?;
    println!("top-{NEAREST} of every row by int8 codes, {:.0} ms:", found.report.seconds * 1e3);
    println!("recall beside {KEPT} floats: {:.4}", recall(&found, &short.nearest_neighbours(&search)?));
    println!("recall beside all floats: {:.4}", recall(&found, &exact));
    println!("the nearest row is the same for {:.4}", recall(&first(&found), &first(&exact)));
    show(&found, text)
}

/// What is wrong with the vectors: better known before than after.
fn looked_over(x: &outcore::Array) -> Result<()> {
    let audit = x.audit(&AuditSpec::new())?;
    let twins = audit.duplicates.map_or(0, |found| found.rows);
    println!(
        "audit: {} rows of {}, {} of norm 1, in {} bytes read",
        audit.rows, audit.width, audit.norms.unit, audit.report.stats.bytes_read
    );
    println!("audit: {} nan, {} rows of zeros, {twins} rows like an earlier one", audit.nan, audit.zero_rows.count);
    Ok(())
}

/// The mean, which all vectors share and no search needs, and the directions in which they differ most.
fn centred(session: &Session, x: &outcore::Array) -> Result<Pca> {
    let pca = x.pca(PcaOptions::new().components(KEPT))?;
    let length = pca.mean.dot(&pca.mean).sqrt();
    let centred = x - session.from_ndarray(pca.mean.mapv(|mean| mean as f32));
    let off = centred.mean(0).abs().max(..).eval::<f32, ndarray::Ix0>()?;
    println!("centre: the mean has length {length:.4}; without it columns have means below {:.0e}", off.into_scalar().max(1e-9));
    let parts = &pca.explained_variance_ratio;
    let most = parts.slice(s![..8]).sum() * 100.0;
    println!("pca: {KEPT} directions hold {:.1} % of the variance, the first 8 of them {most:.1} %", parts.sum() * 100.0);
    Ok(pca)
}

/// The first neighbour of every row alone.
fn first(found: &Neighbours) -> Neighbours {
    Neighbours { rows: found.rows.slice(s![.., ..1]).to_owned(), ..found.clone() }
}

/// The part of the rows of `exact` that were found.
fn recall(found: &Neighbours, exact: &Neighbours) -> f64 {
    let both = found.rows.rows().into_iter().zip(exact.rows.rows());
    let hits: usize = both
        .map(|(found, exact)| {
            let wanted: HashSet<i64> = exact.iter().copied().collect();
            found.iter().filter(|row| wanted.contains(row)).count()
        })
        .sum();
    hits as f64 / exact.rows.len() as f64
}

/// Sentences and their nearest ones.
fn show(found: &Neighbours, text: Option<PathBuf>) -> Result<()> {
    let Some(path) = text else { return Ok(()) };
    let read = std::fs::read_to_string(&path).map_err(|error| outcore::Error::io("read", path.display(), error))?;
    let lines: Vec<&str> = read.lines().collect();
    let line = |row: i64| lines.get(row as usize).copied().unwrap_or("(no such line)");
    let nearest: Array1<f64> = found.scores.column(0).to_owned();
    // One of each sixth of the file: the row whose nearest one is nearest.
    for part in 0..6 {
        let rows = part * nearest.len() / 6..(part + 1) * nearest.len() / 6;
        let Some(row) = rows.max_by(|&one, &other| nearest[one].total_cmp(&nearest[other])) else { continue };
        println!("\n{row:4}         {}", line(row as i64));
        for (near, score) in found.rows.row(row).iter().zip(found.scores.row(row)).take(3) {
            println!("{near:4}  {score:.3}  {}", line(*near));
        }
    }
    Ok(())
}
