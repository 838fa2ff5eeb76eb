//! Curves over axes: what a page shows of time and of limits.

use super::markup::{Svg, number};

/// How an axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// By powers of ten.
    Log,
}

/// One of the two axes.
pub(super) struct Axis<'a> {
    pub scale: Scale,
    pub low: f64,
    pub high: f64,
    /// What a tick says.
    pub label: &'a dyn Fn(f64) -> String,
    /// Of what ticks are multiples of 1, 2 and 5: 1000 or 1024 of the unit.
    pub step_base: f64,
    pub title: &'a str,
}

/// The area inside the axes.
pub(super) struct Frame {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

/// A drawing with axes.
pub(super) struct Plot<'a> {
    pub svg: Svg,
    pub frame: Frame,
    x: Axis<'a>,
    y: Axis<'a>,
}

impl<'a> Plot<'a> {
    /// Axes, ticks and grid lines; `about` says what is shown.
    pub fn new((width, height): (f64, f64), about: &str, x: Axis<'a>, y: Axis<'a>) -> Plot<'a> {
        let mut svg = Svg::new((width, height), about);
        let frame = Frame { left: 78.0, top: 14.0, width: width - 78.0 - 16.0, height: height - 14.0 - 42.0 };
        let bottom = frame.top + frame.height;
        let right = frame.left + frame.width;
        for tick in x.ticks() {
            let at = frame.left + x.place(tick) * frame.width;
            svg.line("grid", (at, frame.top), (at, bottom));
            // The last one may not leave the drawing.
            let (text_at, anchor) = if at > right - 12.0 { (right + 8.0, "end") } else { (at, "middle") };
            svg.text("tick", (text_at, bottom + 16.0), anchor, &(x.label)(tick));
        }
        for tick in y.ticks() {
            let at = bottom - y.place(tick) * frame.height;
            svg.line("grid", (frame.left, at), (right, at));
            svg.text("tick", (frame.left - 8.0, at + 4.0), "end", &(y.label)(tick));
        }
        svg.line("axis", (frame.left, bottom), (right, bottom));
        svg.text("axis-title", (right, bottom + 34.0), "end", x.title);
        Plot { svg, frame, x, y }
    }

    /// Where a value is drawn; what lies outside of the axes is drawn at their ends.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let bottom = self.frame.top + self.frame.height;
        (self.frame.left + self.x.place(x) * self.frame.width, bottom - self.y.place(y) * self.frame.height)
    }

    /// A line through points.
    pub fn line(&mut self, class: &str, points: &[(f64, f64)]) {
        if let Some(data) = self.through(points) {
            self.svg.path(class, &data);
        }
    }

    /// The area below a line.
    pub fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        let (Some(data), Some(first), Some(last)) = (self.through(points), points.first(), points.last()) else { return };
        let bottom = number(self.frame.top + self.frame.height);
        let [from, to] = [first, last].map(|point| number(self.at(point.0, point.1).0));
        self.svg.path(class, &format!("{data}L{to} {bottom}L{from} {bottom}Z"));
    }

    /// A level line with words at its right end.
    pub fn level(&mut self, class: &str, y: f64, text: &str) {
        let (left, at) = self.at(self.x.low, y);
        let right = self.frame.left + self.frame.width;
        self.svg.line(class, (left, at), (right, at));
        let above = if at - self.frame.top > 16.0 { at - 5.0 } else { at + 14.0 };
        self.svg.text("mark", (right - 4.0, above), "end", text);
    }

    /// An upright line with words at its upper end, in the `row`th line of them.
    pub fn upright(&mut self, class: &str, x: f64, row: usize, text: &str) {
        let (at, _) = self.at(x, self.y.low);
        self.svg.line(class, (at, self.frame.top), (at, self.frame.top + self.frame.height));
        let is_right = at > self.frame.left + 0.8 * self.frame.width;
        let (at, anchor) = if is_right { (at - 5.0, "end") } else { (at + 5.0, "start") };
        self.svg.text("mark", (at, self.frame.top + 11.0 + 14.0 * row as f64), anchor, text);
    }

    fn through(&self, points: &[(f64, f64)]) -> Option<String> {
        let mut data = String::new();
        for (place, point) in points.iter().enumerate() {
            let (x, y) = self.at(point.0, point.1);
            data.push(if place == 0 { 'M' } else { 'L' });
            data.push_str(&number(x));
            data.push(' ');
            data.push_str(&number(y));
        }
        (!data.is_empty()).then_some(data)
    }
}

impl Axis<'_> {
    /// Where a value lies between the ends of the axis.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value.max(f64::MIN_POSITIVE) / self.low).log10() / (self.high / self.low).log10(),
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => linear_ticks(self.low, self.high, self.step_base),
            Scale::Log => log_ticks(self.low, self.high),
        }
    }
}

/// Four to eight multiples of 1, 2 or 5 times a power of ten, of a power of `base`.
fn linear_ticks(low: f64, high: f64, base: f64) -> Vec<f64> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return vec![low];
    }
    let unit = if span >= base { base.powf(span.log(base).floor()) } else { 1.0 };
    let decade = unit * 10f64.powf((span / unit).log10().floor());
    let step = [0.1, 0.2, 0.5, 1.0, 2.0].into_iter().map(|factor| factor * decade).find(|step| span / step <= 7.0).unwrap_or(decade * 5.0);
    let first = (low / step).ceil();
    (0..12).map(|index| (first + f64::from(index)) * step).take_while(|tick| *tick <= high + step * 1e-9).collect()
}

/// Powers of ten, at most eight of them.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    #[allow(clippy::cast_possible_truncation, reason = "exponents of positive floats are small")]
    let [first, last] = [low.log10().ceil() as i32, high.log10().floor() as i32];
    let step = ((last - first) / 8 + 1).max(1) as usize;
    (first..=last).step_by(step).map(|power| 10f64.powi(power)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(linear_ticks(0.0, 1.0, 10.0), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(linear_ticks(0.0, 7.0 * 1024.0, 1024.0), (0..=7).map(|kib| f64::from(kib) * 1024.0).collect::<Vec<_>>());
        assert_eq!(linear_ticks(3.0, 3.0, 10.0), [3.0]);
        for high in [1e-9, 0.037, 9.9, 12345.0, 3e11] {
            let ticks = linear_ticks(0.0, high, 1000.0);
            assert!((3..=9).contains(&ticks.len()), "{high}: {ticks:?}");
        }
        assert_eq!(log_ticks(0.5, 2000.0), [1.0, 10.0, 100.0, 1000.0]);
        assert!(log_ticks(1e-3, 1e15).len() <= 10);
    }

    #[test]
    fn values_outside_of_the_axes_are_drawn_at_their_ends() {
        let label = |value: f64| value.to_string();
        let axis = |high| Axis { scale: Scale::Linear, low: 0.0, high, label: &label, step_base: 10.0, title: "s" };
        let mut plot = Plot::new((200.0, 100.0), "curve", axis(10.0), axis(0.0));
        plot.line("one", &[(0.0, 0.0), (20.0, f64::NAN)]);
        plot.area("one", &[]);
        assert_eq!(plot.at(20.0, 1.0), (plot.frame.left + plot.frame.width, plot.frame.top + plot.frame.height));
        let text = plot.svg.finish();
        assert!(roxmltree::Document::parse(&text).is_ok() && !text.contains("NaN"), "{text}");
    }
}
