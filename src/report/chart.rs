//! Charts as SVG: lines through points with whiskers. Text is escaped, and no address outside of the file is named.
//!
//! Colours are those of the page (`currentColor`) or of a palette that reads on light and on dark; a chart that stands alone follows
//! `prefers-color-scheme`.

use super::markup::escape;
use std::fmt::Write as _;

/// Size of a chart, and its margins, in pixels.
const SIZE: (f64, f64) = (820.0, 380.0);
const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 64.0;
/// Colours that have contrast on white and on black.
const COLOURS: [&str; 8] = ["#2f7fd6", "#d9622b", "#2f9e5b", "#a457c9", "#b8860b", "#d0477a", "#3aa0a0", "#808080"];
/// Marks on the value axis at least.
const MARKS: usize = 5;

/// How values are placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// From zero on.
    #[default]
    Linear,
    /// By their logarithms; values must be positive.
    Logarithmic,
}

/// A value above a place of the other axis, with its spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Index into [`Chart::places`].
    pub place: usize,
    /// The value.
    pub value: f64,
    /// Where its whisker begins.
    pub low: f64,
    /// Where its whisker ends.
    pub high: f64,
}

/// Points that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What the legend calls them.
    pub name: String,
    /// The points, by their places.
    pub points: Vec<Point>,
}

/// A chart: values above named places.
///
/// ```
/// use outcore::report::chart::{Chart, Point, Series};
/// let points = vec![Point { place: 0, value: 2.0, low: 1.9, high: 2.2 }, Point { place: 1, value: 1.0, low: 0.9, high: 1.1 }];
/// let chart = Chart {
///     title: "sum(x)".to_string(),
///     places: vec!["64 KiB".to_string(), "1 MiB".to_string()],
///     series: vec![Series { name: "two threads".to_string(), points }],
///     ..Chart::default()
/// };
/// assert!(chart.svg_file().ends_with("</svg>\n"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// Stands above it.
    pub title: String,
    /// What the places are.
    pub places_label: String,
    /// What the values are.
    pub values_label: String,
    /// Names along the lower axis.
    pub places: Vec<String>,
    /// How values are placed.
    pub scale: Scale,
    /// What is drawn.
    pub series: Vec<Series>,
}

impl Chart {
    /// The `svg` element, for a page.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut text = String::new();
        let (width, height) = (SIZE.0, SIZE.1 + 18.0 * self.series.len().div_ceil(3) as f64);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" font-size="12">"#
        );
        let _ = writeln!(text, "<title>{}</title>", escape(&self.title));
        let _ = writeln!(
            text,
            "<style>svg{{color:#222;background:#fff}}@media(prefers-color-scheme:dark){{svg{{color:#ddd;background:#16181c}}}}</style>"
        );
        let _ = writeln!(text, r#"<text x="{LEFT}" y="20" font-size="14" fill="currentColor">{}</text>"#, escape(&self.title));
        let _ = self.axes(&mut text);
        for (index, series) in self.series.iter().enumerate() {
            let _ = self.series_text(&mut text, index, series);
        }
        text.push_str("</svg>\n");
        text
    }

    /// The chart as a file of its own.
    #[must_use]
    pub fn svg_file(&self) -> String {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", self.svg())
    }

    /// Least and largest value that is shown.
    fn range(&self) -> (f64, f64) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let low = points().map(|point| point.low.min(point.value)).fold(f64::INFINITY, f64::min);
        let high = points().map(|point| point.high.max(point.value)).fold(f64::NEG_INFINITY, f64::max);
        match self.scale {
            _ if !(low.is_finite() && high.is_finite()) => (0.0, 1.0),
            Scale::Linear => (0.0, if high > 0.0 { high * 1.05 } else { 1.0 }),
            Scale::Logarithmic => (low.max(1e-12) / 1.2, high.max(1e-12) * 1.2),
        }
    }

    fn x(&self, place: usize) -> f64 {
        LEFT + (SIZE.0 - LEFT - RIGHT) * (place as f64 + 0.5) / self.places.len().max(1) as f64
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = self.range();
        let share = match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Logarithmic => (value.max(low) / low).ln() / (high / low).ln(),
        };
        SIZE.1 - BOTTOM - (SIZE.1 - BOTTOM - TOP) * share
    }

    fn marks(&self) -> Vec<f64> {
        let (low, high) = self.range();
        match self.scale {
            Scale::Linear => {
                let step = round_step((high - low) / MARKS as f64);
                (0..).map(|k| low + f64::from(k) * step).take_while(|mark| *mark <= high).collect()
            }
            Scale::Logarithmic => {
                let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
                let inside = |mark: &f64| (low..=high).contains(mark);
                let marks: Vec<f64> = decades.clone().map(|power| 10f64.powi(power)).filter(inside).collect();
                let finer = decades.flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power))).filter(inside);
                if marks.len() >= 3 { marks } else { finer.collect() }
            }
        }
    }

    fn axes(&self, text: &mut String) -> std::fmt::Result {
        let (right, bottom) = (SIZE.0 - RIGHT, SIZE.1 - BOTTOM);
        for mark in self.marks() {
            let y = self.y(mark);
            writeln!(text, r#"<path d="M{LEFT} {y:.1}H{right}" stroke="currentColor" stroke-opacity="0.15"/>"#)?;
            let label = short(mark);
            writeln!(text, r#"<text x="{:.1}" y="{:.1}" text-anchor="end" fill="currentColor">{label}</text>"#, LEFT - 6.0, y + 4.0)?;
        }
        writeln!(text, r#"<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="currentColor"/>"#)?;
        // Long names stand slanted, so that they do not lie on each other.
        let longest = self.places.iter().map(|place| place.chars().count()).max().unwrap_or(0);
        let slanted = longest as f64 * 7.0 > (right - LEFT) / self.places.len().max(1) as f64;
        for (place, name) in self.places.iter().enumerate() {
            let (x, y) = (self.x(place), bottom + 16.0);
            let turned = if slanted {
                format!(r#" transform="rotate(-30 {x:.1} {y:.1})" text-anchor="end""#)
            } else {
                r#" text-anchor="middle""#.to_string()
            };
            writeln!(text, r#"<text x="{x:.1}" y="{y:.1}"{turned} fill="currentColor">{}</text>"#, escape(name))?;
        }
        let middle = f64::midpoint(LEFT, right);
        writeln!(
            text,
            r#"<text x="{middle:.1}" y="{:.1}" text-anchor="middle" fill="currentColor">{}</text>"#,
            SIZE.1 - 8.0,
            escape(&self.places_label)
        )?;
        let y = f64::midpoint(TOP, bottom);
        writeln!(
            text,
            r#"<text x="16" y="{y:.1}" transform="rotate(-90 16 {y:.1})" text-anchor="middle" fill="currentColor">{}</text>"#,
            escape(&self.values_label)
        )
    }

    fn series_text(&self, text: &mut String, index: usize, series: &Series) -> std::fmt::Result {
        let colour = COLOURS[index % COLOURS.len()];
        let at: Vec<(f64, f64)> = series.points.iter().map(|point| (self.x(point.place), self.y(point.value))).collect();
        let line: Vec<String> = at.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        if at.len() > 1 {
            writeln!(text, r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.5"/>"#, line.join(" "))?;
        }
        for (point, (x, y)) in series.points.iter().zip(&at) {
            let (low, high) = (self.y(point.low), self.y(point.high));
            let (before, after) = (x - 4.0, x + 4.0);
            writeln!(
                text,
                r#"<path d="M{x:.1} {low:.1}V{high:.1}M{before:.1} {low:.1}H{after:.1}M{before:.1} {high:.1}H{after:.1}" stroke="{colour}"/>"#
            )?;
            let place = self.places.get(point.place).map_or("", String::as_str);
            let said = escape(&format!("{} {place}: {} ({} to {})", series.name, short(point.value), short(point.low), short(point.high)));
            writeln!(text, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"><title>{said}</title></circle>"#)?;
        }
        let (x, y) = (LEFT + 240.0 * (index % 3) as f64, SIZE.1 + 12.0 + 18.0 * (index / 3) as f64);
        writeln!(text, r#"<path d="M{x:.1} {:.1}h18" stroke="{colour}" stroke-width="3"/>"#, y - 4.0)?;
        writeln!(text, r#"<text x="{:.1}" y="{y:.1}" fill="currentColor">{}</text>"#, x + 24.0, escape(&series.name))
    }
}

/// 1, 2 or 5 times a power of ten, not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|rounded| *rounded >= step * 0.999).unwrap_or(step)
}

/// A number in few digits.
fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        return format!("{value:.0e}");
    }
    let text = format!(
        "{value:.*}",
        if size >= 100.0 {
            0
        } else if size >= 1.0 {
            2
        } else {
            4
        }
    );
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale) -> Chart {
        let point = |place, value| Point { place, value, low: value * 0.9, high: value * 1.2 };
        Chart {
            title: "sum(x) < 3 & \"more\"".into(),
            places_label: "block".into(),
            values_label: "seconds".into(),
            places: vec!["64 KiB".into(), "1 MiB".into()],
            scale,
            series: vec![
                Series { name: "<auto>".into(), points: vec![point(0, 1.0), point(1, 2.0)] },
                Series { name: "one".into(), points: vec![point(1, 30.0)] },
            ],
        }
    }

    #[test]
    fn every_point_and_name_is_drawn_and_escaped() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let svg = chart(scale).svg();
            assert_eq!(svg.matches("<circle").count(), 3);
            assert_eq!(svg.matches("<polyline").count(), 1, "one point is no line");
            assert!(svg.contains("sum(x) &lt; 3 &amp; &quot;more&quot;") && svg.contains("&lt;auto&gt;") && !svg.contains("<auto>"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        assert!(Chart::default().svg().contains("</svg>"), "nothing to draw is no failure");
    }

    #[test]
    fn larger_values_stand_higher() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            let chart = chart(scale);
            let places = [0.9, 1.0, 2.0, 36.0].map(|value| chart.y(value));
            assert!(places.is_sorted_by(|a, b| a > b) && places.iter().all(|y| (TOP..=SIZE.1 - BOTTOM).contains(y)), "{places:?}");
            assert!(chart.marks().len() >= 3, "{:?}", chart.marks());
        }
        assert_eq!([0.013, 0.2, 3.0, 700.0].map(round_step), [0.02, 0.2, 5.0, 1000.0]);
        assert_eq!([0.0, 0.25, 1.5, 1234.0, 2e-6].map(short), ["0", "0.25", "1.5", "1234", "2e-6"]);
    }
}
