//! Arrays as NumPy prints them (brackets, alignment, line breaks, `...`), with one departure: floats keep the
//! shortest digits that read back as the same bits, where NumPy stops at eight.
//!
//! The layout is that of `numpy.array2string`: elements of one common width; floats aligned at the point, all in
//! exponent form when any is very large or small or when they differ by more than a thousandfold; the innermost axis
//! wrapped at 75 columns; one blank line more between higher axes.

use super::values::{Decimal, Value, Values};

/// When a large array is shortened and where lines break.
#[derive(Clone, Copy, Debug)]
pub struct PrintOptions {
    /// Arrays of more elements than this are shortened.
    pub threshold: usize,
    /// Elements kept at either end of a shortened axis.
    pub edge_items: usize,
    /// Columns of a line.
    pub line_width: usize,
}

impl Default for PrintOptions {
    /// NumPy's: shortened above 1,000 elements, 3 at either end, 75 columns.
    fn default() -> Self {
        PrintOptions { threshold: 1000, edge_items: 3, line_width: 75 }
    }
}

/// The text of an array, without a line break at its end. A 0-d array is its value alone.
#[must_use]
pub fn numpy_text(values: &Values<'_>, options: &PrintOptions) -> String {
    if values.shape.is_empty() {
        return values.value(0).alone();
    }
    if values.count() == 0 {
        return "[]".to_string();
    }
    let shortened = values.count() > options.threshold;
    let mut printer = Printer { values, options, shortened, format: Format::default() };
    printer.format = Format::of(&printer.shown_values());
    printer.axis(0, 0, " ", options.line_width)
}

struct Printer<'a> {
    values: &'a Values<'a>,
    options: &'a PrintOptions,
    shortened: bool,
    format: Format,
}

impl Printer<'_> {
    /// The places of an axis that are shown; `None` stands for the dots.
    fn shown(&self, length: usize) -> Vec<Option<usize>> {
        let edge = self.options.edge_items;
        if !self.shortened || length <= 2 * edge {
            return (0..length).map(Some).collect();
        }
        let (head, tail) = ((0..edge).map(Some), (length - edge..length).map(Some));
        head.chain([None]).chain(tail).collect()
    }

    /// Every element that is shown.
    fn shown_values(&self) -> Vec<Value> {
        let mut offsets = vec![0usize];
        for &length in self.values.shape {
            let places: Vec<usize> = self.shown(length).into_iter().flatten().collect();
            offsets = offsets.iter().flat_map(|offset| places.iter().map(move |place| offset * length + place)).collect();
        }
        offsets.into_iter().map(|offset| self.values.value(offset)).collect()
    }

    /// The text of the subarray at `offset` (in units of its own size) of `axis` and what lies inside it.
    fn axis(&self, axis: usize, offset: usize, indent: &str, width: usize) -> String {
        let length = self.values.shape[axis];
        let inner_axes = self.values.shape.len() - axis - 1;
        if inner_axes == 0 {
            return self.innermost(offset * length, length, indent, width);
        }
        let separator = "\n".repeat(inner_axes);
        let deeper = format!("{indent} ");
        let parts: Vec<String> = self
            .shown(length)
            .into_iter()
            .map(|place| match place {
                Some(place) => self.axis(axis + 1, offset * length + place, &deeper, width.saturating_sub(1)),
                None => "...".to_string(),
            })
            .collect();
        format!("[{}]", parts.join(&format!("{separator}{indent}")))
    }

    fn innermost(&self, first: usize, length: usize, indent: &str, width: usize) -> String {
        let width = width.saturating_sub(1);
        let mut text = String::new();
        let mut line = indent.to_string();
        for (position, place) in self.shown(length).into_iter().enumerate() {
            let word = place.map_or("...".to_string(), |place| self.format.element(&self.values.value(first + place)));
            if position > 0 {
                line.push(' ');
            }
            if line.len() + word.len() > width && line.len() > indent.len() {
                text.push_str(line.trim_end());
                text.push('\n');
                line = indent.to_string();
            }
            line.push_str(&word);
        }
        text.push_str(&line);
        format!("[{}]", &text[indent.len()..])
    }
}

/// How the elements of one array are spelled.
#[derive(Clone, Copy, Debug, Default)]
struct Format {
    /// Columns left of the point, or of the whole element where there is no point.
    left: usize,
    /// Digits right of the point.
    right: usize,
    /// Columns of the exponent; 0: none is written.
    exponent: usize,
}

impl Format {
    fn of(shown: &[Value]) -> Format {
        let decimals: Vec<&Decimal> =
            shown.iter().filter_map(|value| if let Value::Float(decimal) = value { Some(decimal) } else { None }).collect();
        if decimals.is_empty() {
            let width = |value: &Value| if let Value::Bool(_) = value { 5 } else { value.alone().len() };
            return Format { left: shown.iter().map(width).max().unwrap_or(0), ..Format::default() };
        }
        let finite: Vec<&Decimal> = decimals.iter().copied().filter(|decimal| decimal.value.is_finite()).collect();
        let mut format = if needs_exponent(&finite) { Format::scientific(&finite) } else { Format::positional(&finite) };
        // `nan` and `inf` share the columns of the numbers, point included.
        let columns_right = format.columns_right();
        for decimal in decimals.iter().filter(|decimal| !decimal.value.is_finite()) {
            format.left = format.left.max(decimal.alone().len().saturating_sub(columns_right));
        }
        format
    }

    fn positional(finite: &[&Decimal]) -> Format {
        let parts: Vec<(usize, usize)> = finite
            .iter()
            .map(|decimal| {
                let (whole, fraction) = decimal.positional();
                (whole.len() + usize::from(decimal.negative), fraction.len())
            })
            .collect();
        let (left, right) = (parts.iter().map(|part| part.0).max(), parts.iter().map(|part| part.1).max());
        Format { left: left.unwrap_or(0), right: right.unwrap_or(0), exponent: 0 }
    }

    fn scientific(finite: &[&Decimal]) -> Format {
        Format {
            left: if finite.iter().any(|decimal| decimal.negative) { 2 } else { 1 },
            right: finite.iter().map(|decimal| decimal.digits.len() - 1).max().unwrap_or(0),
            exponent: finite.iter().map(|decimal| decimal.exponent_text().len()).max().unwrap_or(0),
        }
    }

    /// Columns of the point and everything after it.
    fn columns_right(&self) -> usize {
        1 + self.right + self.exponent
    }

    fn element(&self, value: &Value) -> String {
        let Value::Float(decimal) = value else {
            return format!("{:>width$}", value.alone(), width = self.left);
        };
        if !decimal.value.is_finite() {
            return format!("{:>width$}", decimal.alone(), width = self.left + self.columns_right());
        }
        let sign = if decimal.negative { "-" } else { "" };
        if self.exponent == 0 {
            let (whole, fraction) = decimal.positional();
            return format!("{:>left$}.{fraction:<right$}", format!("{sign}{whole}"), left = self.left, right = self.right);
        }
        let whole = format!("{sign}{}", &decimal.digits[..1]);
        format!(
            "{whole:>left$}.{fraction:0<right$}{exponent}",
            fraction = &decimal.digits[1..],
            exponent = widened(&decimal.exponent_text(), self.exponent),
            left = self.left,
            right = self.right
        )
    }
}

/// `e+05` in a column of `e+105`: `e+005`.
fn widened(exponent: &str, width: usize) -> String {
    let (sign, digits) = exponent.split_at(2);
    format!("{sign}{digits:0>width$}", width = width - 2)
}

/// NumPy's rule: a value of at least 1e8 or below 1e-4, or a thousandfold range.
fn needs_exponent(finite: &[&Decimal]) -> bool {
    let sizes = || finite.iter().map(|decimal| decimal.value.abs()).filter(|&size| size > 0.0);
    let (largest, smallest) = (sizes().fold(0.0, f64::max), sizes().fold(f64::INFINITY, f64::min));
    largest > 0.0 && (largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nd::Element;

    fn text<T: Element>(shape: &[usize], elements: &[T]) -> String {
        numpy_text(&Values { dtype: T::DTYPE, shape, bytes: T::as_bytes(elements) }, &PrintOptions::default())
    }

    /// What NumPy 2.4 prints for the same values, where its eight digits are enough.
    #[test]
    fn layout_is_numpys() {
        assert_eq!(text(&[], &[3i64]), "3");
        assert_eq!(text(&[0, 3], &[0f64; 0]), "[]");
        assert_eq!(text(&[3], &[1i32, -20, 300]), "[  1 -20 300]");
        assert_eq!(text(&[2], &[true, false]), "[ True False]");
        assert_eq!(text(&[2], &[1.0, 2.5]), "[1.  2.5]");
        assert_eq!(text(&[2], &[1.5, 10.25]), "[ 1.5  10.25]");
        assert_eq!(text(&[3], &[1.0, f64::NAN, f64::NEG_INFINITY]), "[  1.  nan -inf]");
        assert_eq!(text(&[3], &[1.5, f64::NAN, f64::INFINITY]), "[1.5 nan inf]");
        assert_eq!(text(&[2], &[f64::NAN, f64::NAN]), "[nan nan]");
        assert_eq!(text(&[2], &[1e10, 1.5]), "[1.0e+10 1.5e+00]");
        assert_eq!(text(&[2], &[1e10, -2e10]), "[ 1.e+10 -2.e+10]");
        assert_eq!(text(&[2], &[1e-5, 1.0]), "[1.e-05 1.e+00]");
        assert_eq!(text(&[2, 2], &[1.0f32, 2.0, 3.0, 4.5]), "[[1.  2. ]\n [3.  4.5]]");
        assert_eq!(text(&[2, 1, 2], &[1i64, 2, 3, 4]), "[[[1 2]]\n\n [[3 4]]]");
        assert_eq!(text(&[1], &[0.0]), "[0.]");
    }

    #[test]
    fn long_lines_wrap_at_75_columns() {
        let numbers: Vec<i64> = (0..40).collect();
        assert_eq!(
            text(&[40], &numbers),
            "[ 0  1  2  3  4  5  6  7  8  9 10 11 12 13 14 15 16 17 18 19 20 21 22 23\n 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39]"
        );
    }

    #[test]
    fn large_arrays_are_shortened() {
        let numbers: Vec<i64> = (0..2000).collect();
        assert_eq!(text(&[2000], &numbers), "[   0    1    2 ... 1997 1998 1999]");
        let rows: Vec<u8> = vec![7; 1200];
        assert_eq!(text(&[4, 300], &rows), "[[7 7 7 ... 7 7 7]\n [7 7 7 ... 7 7 7]\n [7 7 7 ... 7 7 7]\n [7 7 7 ... 7 7 7]]");
        assert_eq!(text(&[600, 2], &rows), "[[7 7]\n [7 7]\n [7 7]\n ...\n [7 7]\n [7 7]\n [7 7]]");
    }

    #[test]
    fn digits_read_back() {
        assert_eq!(text(&[1], &[0.1f64 + 0.2]), "[0.30000000000000004]");
        assert_eq!(text(&[1], &[16_777_217.0f64]), "[16777217.]");
        assert_eq!(text(&[2], &[1e300, 1.0]), "[1.e+300 1.e+000]");
        assert_eq!(text(&[1], &[half::f16::from_f32(0.1)]), "[0.1]");
    }
}
