//! Zarr arrays whose chunks lie in their files as they are: computed in place they give what copies give, whatever the layout, and files
//! that change meanwhile are errors.

use super::{
    chunk_tests::{compute, limits},
    *,
};
use crate::{
    ErrorKind, install_sigbus_guard,
    nd::SliceItem,
    plan::{Access, IoMode, Limits},
};
use ndarray::ArrayD;
use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

/// How a store is written.
#[derive(Clone, Debug)]
struct Layout {
    shape: Vec<usize>,
    chunk: Vec<usize>,
    /// Inner chunks, if chunks are shards of such, and whether the index is in front of them.
    inner: Option<(Vec<usize>, bool)>,
    /// Stored axes.
    order: Vec<usize>,
    is_big_endian: bool,
    /// Chunks of which every so many are missing; 0 for none.
    missing: usize,
}

const FILL: f32 = 7.5;

/// Every place of a box, in C order.
fn places(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let shape = shape.to_vec();
    (0..shape.iter().product::<usize>()).map(move |number| {
        let mut rest = number;
        let mut place = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            (place[axis], rest) = (rest % shape[axis], rest / shape[axis]);
        }
        place
    })
}

impl Layout {
    fn codecs(&self) -> String {
        let endian = if self.is_big_endian { "big" } else { "little" };
        let plain = format!(
            r#"{{"name":"transpose","configuration":{{"order":{:?}}}}},{{"name":"bytes","configuration":{{"endian":"{endian}"}}}}"#,
            self.order
        );
        let Some((inner, is_in_front)) = &self.inner else { return plain };
        let location = if *is_in_front { "start" } else { "end" };
        let index = r#"{"name":"bytes","configuration":{"endian":"little"}},{"name":"crc32c"}"#;
        format!(
            r#"{{"name":"sharding_indexed","configuration":{{"chunk_shape":{inner:?},"codecs":[{plain}],"index_codecs":[{index}],"index_location":"{location}"}}}}"#
        )
    }

    /// Encodes one chunk of `shape` at `start`; beyond the array there is something else.
    fn chunk(&self, start: &[usize], shape: &[usize], value: &dyn Fn(&[usize]) -> f32) -> Vec<u8> {
        let stored: Vec<usize> = self.order.iter().map(|&axis| shape[axis]).collect();
        let mut bytes = Vec::new();
        for place in places(&stored) {
            let mut at = start.to_vec();
            self.order.iter().zip(&place).for_each(|(&axis, place)| at[axis] += place);
            let is_inside = at.iter().zip(&self.shape).all(|(at, length)| at < length);
            let element = if is_inside { value(&at) } else { -1e30 };
            bytes.extend(if self.is_big_endian { element.to_be_bytes() } else { element.to_le_bytes() });
        }
        bytes
    }

    /// Writes the store and gives the values that it stands for.
    fn write(&self, folder: &Path) -> ArrayD<f32> {
        let (shape, chunk) = (&self.shape, &self.chunk);
        let metadata = format!(
            r#"{{"shape":{shape:?},"data_type":"float32","chunk_grid":{{"name":"regular","configuration":{{"chunk_shape":{chunk:?}}}}},
            "chunk_key_encoding":{{"name":"default"}},"fill_value":{FILL},"codecs":[{}],"zarr_format":3,"node_type":"array"}}"#,
            self.codecs()
        );
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("zarr.json"), metadata).unwrap();
        let mut values = ArrayD::from_elem(shape.clone(), FILL);
        let value = |place: &[usize]| {
            let number = place.iter().zip(shape).fold(0, |number, (place, length)| number * length + place);
            ((number * 7919) % 1021) as f32
        };
        let grid: Vec<usize> = shape.iter().zip(chunk).map(|(length, chunk)| length.div_ceil(*chunk)).collect();
        let mut written = 0;
        let is_missing = |number: usize| self.missing > 0 && number.is_multiple_of(self.missing);
        let mut set = |start: &[usize], extent: &[usize]| {
            for place in places(extent) {
                let at: Vec<usize> = start.iter().zip(&place).map(|(start, place)| start + place).collect();
                if let Some(element) = values.get_mut(&at[..]) {
                    *element = value(&at);
                }
            }
        };
        for (number, cell) in places(&grid).enumerate() {
            let start: Vec<usize> = cell.iter().zip(chunk).map(|(cell, chunk)| cell * chunk).collect();
            let Some((inner, is_in_front)) = &self.inner else {
                if !is_missing(number) {
                    set(&start, chunk);
                    put(folder, &cell, &self.chunk(&start, chunk, &value));
                }
                continue;
            };
            let within: Vec<usize> = chunk.iter().zip(inner).map(|(chunk, inner)| chunk / inner).collect();
            let index_bytes = within.iter().product::<usize>() * 16 + 4;
            let (mut data, mut index) = (Vec::new(), Vec::new());
            for cell in places(&within) {
                let start: Vec<usize> = (0..cell.len()).map(|axis| start[axis] + cell[axis] * inner[axis]).collect();
                written += 1;
                if is_missing(written) {
                    index.extend([0xff; 16]);
                    continue;
                }
                set(&start, inner);
                let bytes = self.chunk(&start, inner, &value);
                let offset = data.len() + if *is_in_front { index_bytes } else { 0 };
                index.extend((offset as u64).to_le_bytes());
                index.extend((bytes.len() as u64).to_le_bytes());
                data.extend(bytes);
            }
            index.extend(crc32c::crc32c(&index).to_le_bytes());
            put(folder, &cell, &if *is_in_front { [index, data] } else { [data, index] }.concat());
        }
        values
    }
}

fn put(folder: &Path, cell: &[usize], bytes: &[u8]) {
    let path = cell.iter().fold(folder.join("c"), |path, place| path.join(place.to_string()));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn layouts() -> Vec<Layout> {
    let plain = |shape: &[usize], chunk: &[usize]| Layout {
        shape: shape.to_vec(),
        chunk: chunk.to_vec(),
        inner: None,
        order: (0..shape.len()).collect(),
        is_big_endian: false,
        missing: 0,
    };
    let mut list = vec![
        plain(&[100, 12], &[20, 12]),
        // Edges along both axes.
        plain(&[101, 13], &[20, 5]),
        plain(&[7, 50, 9], &[3, 50, 9]),
        plain(&[300], &[64]),
        // A chunk that is longer than the array, and one that is wider.
        plain(&[10, 12], &[64, 12]),
        plain(&[40, 5], &[10, 64]),
    ];
    let of = |first: &Layout, change: &dyn Fn(&mut Layout)| {
        let mut layout = first.clone();
        change(&mut layout);
        layout
    };
    let more: Vec<Layout> = list
        .iter()
        .flat_map(|layout| {
            [
                of(layout, &|layout| layout.order.reverse()),
                of(layout, &|layout| layout.is_big_endian = true),
                of(layout, &|layout| layout.missing = 2),
                of(layout, &|layout| (layout.is_big_endian, layout.missing) = (true, 3)),
            ]
        })
        .collect();
    list.extend(more);
    let shards = plain(&[101, 24], &[40, 24]);
    for (is_in_front, is_reversed, missing) in [(false, false, 0), (true, false, 0), (false, true, 3), (true, true, 2)] {
        list.push(of(&shards, &|layout| {
            layout.inner = Some((vec![10, 24], is_in_front));
            (layout.missing, layout.is_big_endian) = (missing, is_reversed);
            if is_reversed {
                layout.order.reverse();
            }
        }));
    }
    list
}

#[test]
fn chunks_in_place_give_what_copies_give() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut in_place = 0;
    for (number, layout) in layouts().into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.zarr"));
        let values = session.from_ndarray(layout.write(&path));
        let x = session.open(&path);
        let steps: [&dyn Fn(&Array) -> Array; 8] = [
            &|x| x * 2.0,
            &|x| x.sum(0),
            &|x| x.max(-1i64),
            &|x| x.permute((0..layout.shape.len()).rev().collect::<Vec<_>>()) + 1.0,
            &|x| x.slice_items(vec![SliceItem::Range { start: Some(3), stop: None, step: 1 }]).cumsum(0),
            &|x| x.flip(0) + x,
            &|x| x.slice_items(vec![SliceItem::Range { start: None, stop: None, step: -2 }]).sum(0),
            &|x| x.roll(5, 0) - x,
        ];
        for (step, made) in steps.iter().enumerate() {
            for block in [None, Some(64), Some(400)] {
                let with = |io| Limits { io, ..limits(8 << 20, 2, block) };
                let (_, want) = compute(&[&made(&values)], &[None], &with(IoMode::Auto)).unwrap();
                for io in [IoMode::Mmap, IoMode::Auto, IoMode::Read] {
                    let (plan, got) = compute(&[&made(&x)], &[None], &with(io)).unwrap();
                    assert!(got == want, "{layout:?} {step} {io:?} {}", plan.show());
                    let found = plan.stages.iter().flat_map(|stage| &stage.reads).filter(|read| read.access == Access::Chunks).count();
                    assert!(io == IoMode::Mmap || found == 0, "small chunks are copied");
                    in_place += found;
                }
            }
        }
    }
    assert!(in_place > 300, "{in_place}");
}

#[test]
fn large_chunks_are_mapped_unless_reading_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zarr");
    let values = large().write(&path);
    let want: Vec<f32> = (0..64).map(|column| values.rows().into_iter().map(|row| row[column]).sum()).collect();
    for (io, how) in [(IoMode::Auto, "mapped in place chunk by chunk, 1.01 MiB a run"), (IoMode::Read, "copied by chunks")] {
        let session = Session::builder().memory("64MiB").threads(2).io(io).build().unwrap();
        let sum = session.open(&path).sum(0);
        let text = sum.explain().unwrap();
        assert!(text.contains(how), "{text}");
        assert_eq!(sum.eval::<f32, ndarray::Ix1>().unwrap().to_vec(), want);
    }
}

/// Two chunks of a MiB, and a part of one.
fn large() -> Layout {
    Layout { shape: vec![10_000, 64], chunk: vec![4096, 64], inner: None, order: vec![0, 1], is_big_endian: false, missing: 0 }
}

#[test]
fn chunks_that_are_cut_before_they_are_mapped_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zarr");
    large().write(&path);
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let sum = session.open(&path).sum(0);
    let chunk = File::options().write(true).open(path.join("c/1/0")).unwrap();
    chunk.set_len(5000).unwrap();
    chunk.set_modified(SystemTime::now() + Duration::from_secs(9)).unwrap();
    let error = sum.eval::<f32, ndarray::Ix1>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert!(error.message().contains("c/1/0 changed since the array was opened"), "{error}");
    chunk.set_modified(SystemTime::now() - Duration::from_secs(99)).unwrap();
    let error = sum.eval::<f32, ndarray::Ix1>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    assert!(error.message().contains("is corrupt: it has 5000 bytes instead of 1048576"), "{error}");
}

#[test]
fn a_chunk_that_is_cut_while_it_is_mapped_is_an_error() {
    install_sigbus_guard().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.zarr");
    large().write(&path);
    let session = Session::builder().memory("64MiB").threads(1).block_bytes(64 << 10).build().unwrap();
    let cut = path.join("c/0/0");
    // The first block cuts the chunk that it lies in.
    let made = session.open(&path).map_blocks::<f32, f32>(MapSpec::named("cut/1"), move |block, mut out| {
        File::options().write(true).open(&cut)?.set_len(4096)?;
        out.assign(&block);
        Ok(())
    });
    let error = made.sum(0).eval::<f32, ndarray::Ix1>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert!(error.message().contains("c/0/0 shrank while it was mapped"), "{error}");
}
