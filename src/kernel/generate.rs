//! Values made from coordinates: arange and linspace, in the dtype asked for; random values by [`super::random`].

use crate::kernel::{
    cast::{Convert, Plain},
    lane::Lane,
    movement::CopyAxis,
    program::Generator,
    random::{Draw, DrawKernel},
};
use crate::nd::DType;
use bytemuck::cast_slice_mut;
use half::{bf16, f16};

/// Fills a dense tile; `axes` (outermost first) say in `from` how far the indices of neighbours are apart.
pub(super) fn fill(generator: &Generator, dtype: DType, axes: &[CopyAxis], index: i64, out: &mut [u8], draw: DrawKernel) {
    if let Generator::Random { law, seed, stream } = *generator {
        return draw_rows(draw, &Draw { law, seed, stream }, dtype.size(), axes, index, out);
    }
    match dtype {
        DType::Bool => fill_typed::<bool>(generator, axes, index, out, |value| value != 0),
        DType::I8 => fill_typed::<i8>(generator, axes, index, out, |value| value as i8),
        DType::I16 => fill_typed::<i16>(generator, axes, index, out, |value| value as i16),
        DType::I32 => fill_typed::<i32>(generator, axes, index, out, |value| value as i32),
        DType::I64 => fill_typed::<i64>(generator, axes, index, out, |value| value as i64),
        DType::U8 => fill_typed::<u8>(generator, axes, index, out, |value| value as u8),
        DType::U16 => fill_typed::<u16>(generator, axes, index, out, |value| value as u16),
        DType::U32 => fill_typed::<u32>(generator, axes, index, out, |value| value as u32),
        DType::U64 => fill_typed::<u64>(generator, axes, index, out, |value| value as u64),
        DType::F16 => fill_float::<f16>(generator, axes, index, out),
        DType::BF16 => fill_float::<bf16>(generator, axes, index, out),
        DType::F32 => fill_float::<f32>(generator, axes, index, out),
        DType::F64 => fill_float::<f64>(generator, axes, index, out),
    }
}

/// Integers and bool: arange is exact modulo 2^bits, linspace truncates what f64 gives.
fn fill_typed<L: Lane>(generator: &Generator, axes: &[CopyAxis], index: i64, out: &mut [u8], wrap: impl Fn(i128) -> L::Wide)
where
    Plain: Convert<f64, L>,
{
    match *generator {
        Generator::Arange { start, step } => {
            let (start, step) = (start.to_i128(), step.to_i128());
            walk::<L>(axes, index, cast_slice_mut(out), &|index| wrap(start.wrapping_add(i128::from(index).wrapping_mul(step))));
        }
        Generator::Linspace { .. } | Generator::Random { .. } => fill_float::<L>(generator, axes, index, out),
    }
}

fn fill_float<L: Lane>(generator: &Generator, axes: &[CopyAxis], index: i64, out: &mut [u8])
where
    Plain: Convert<f64, L>,
{
    let out = cast_slice_mut(out);
    match *generator {
        Generator::Arange { start, step } => {
            let (start, step) = (start.to_f64(), step.to_f64());
            walk::<L>(axes, index, out, &|index| <Plain as Convert<f64, L>>::convert(start + index as f64 * step));
        }
        Generator::Linspace { start, stop, step, last } => {
            let (start, stop, step) = (start.to_f64(), stop.to_f64(), step.to_f64());
            walk::<L>(axes, index, out, &|index| {
                let value = if index as u64 == last { stop } else { index as f64 * step + start };
                <Plain as Convert<f64, L>>::convert(value)
            });
        }
        Generator::Random { .. } => unreachable!("drawn row by row"),
    }
}

fn draw_rows(kernel: DrawKernel, draw: &Draw, size: usize, axes: &[CopyAxis], index: i64, out: &mut [u8]) {
    match axes {
        [] => kernel(draw, index, 0, out, size),
        [row] => kernel(draw, index, row.from, out, size),
        [outer, rest @ ..] => {
            let mut index = index;
            for part in out.chunks_exact_mut(out.len() / outer.length) {
                draw_rows(kernel, draw, size, rest, index, part);
                index += outer.from;
            }
        }
    }
}

fn walk<L: Lane>(axes: &[CopyAxis], index: i64, out: &mut [L::Bits], value: &impl Fn(i64) -> L::Wide) {
    match axes {
        [] => out[0] = L::narrow(value(index)),
        [row] => {
            let mut index = index;
            for out in out {
                *out = L::narrow(value(index));
                index += row.from;
            }
        }
        [outer, rest @ ..] => {
            let size = out.len() / outer.length;
            let mut index = index;
            for part in out.chunks_exact_mut(size) {
                walk::<L>(rest, index, part, value);
                index += outer.from;
            }
        }
    }
}
