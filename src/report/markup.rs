//! Text as XML: pages and drawings are well-formed whatever names and statements they show.

use std::fmt::Write as _;

/// Text that stands for itself between tags and inside quoted attributes. Characters that XML does not know are shown as `?`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(letter),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            letter => out.push(letter),
        }
    }
    out
}

/// At most `letters` letters, with an ellipsis in the place of the rest.
pub(super) fn shortened(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "…"
}

/// The end of a path or name is what tells it from others.
pub(super) fn shortened_front(text: &str, letters: usize) -> String {
    let count = text.chars().count();
    if count <= letters {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(count - letters + 1).collect();
    format!("…{kept}")
}

/// An SVG under construction, in units of about a pixel.
pub(super) struct Svg {
    text: String,
}

impl Svg {
    /// An empty drawing that grows and shrinks with what it stands in; `about` says what it shows to who cannot see it.
    pub fn new((width, height): (f64, f64), about: &str) -> Svg {
        let mut svg = Svg { text: String::new() };
        svg.push(format_args!(
            "<svg viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\" role=\"img\" aria-label=\"{}\">",
            number(width),
            number(height),
            number(width),
            number(height),
            escape(about)
        ));
        svg
    }

    fn push(&mut self, what: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.text.write_fmt(what);
        self.text.push('\n');
    }

    /// What is drawn until [`Self::close`] belongs together: a tip is shown over all of it.
    pub fn open(&mut self, class: &str, tip: &str) {
        self.push(format_args!("<g class=\"{class}\">"));
        if !tip.is_empty() {
            self.push(format_args!("<title>{}</title>", escape(tip)));
        }
    }

    pub fn close(&mut self) {
        self.push(format_args!("</g>"));
    }

    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), radius: f64) {
        let [x, y, width, height, radius] = [x, y, width, height, radius].map(number);
        self.push(format_args!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>"));
    }

    /// A rectangle that says what it is when it is pointed at.
    pub fn rect_with_tip(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), tip: &str) {
        let [x, y, width, height] = [x, y, width, height].map(number);
        let tip = escape(tip);
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"><title>{tip}</title></rect>"
        ));
    }

    /// `anchor` is start, middle or end.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        let [x, y] = [x, y].map(number);
        self.push(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>", escape(text)));
    }

    pub fn line(&mut self, class: &str, (from_x, from_y): (f64, f64), (to_x, to_y): (f64, f64)) {
        let [from_x, from_y, to_x, to_y] = [from_x, from_y, to_x, to_y].map(number);
        self.push(format_args!("<line class=\"{class}\" x1=\"{from_x}\" y1=\"{from_y}\" x2=\"{to_x}\" y2=\"{to_y}\"/>"));
    }

    /// The data of a `path` element.
    pub fn path(&mut self, class: &str, data: &str) {
        self.push(format_args!("<path class=\"{class}\" d=\"{data}\"/>"));
    }

    /// A curve that leaves and arrives level, with an arrow at its end.
    pub fn arrow(&mut self, class: &str, (from_x, from_y): (f64, f64), (to_x, to_y): (f64, f64)) {
        let bend = (to_x - from_x) / 2.0;
        let data = curve([(from_x, from_y), (from_x + bend, from_y), (to_x - bend - 3.0, to_y), (to_x - 3.0, to_y)]);
        self.path(class, &data);
        self.head(class, (to_x, to_y), (-7.0, -3.5), (-7.0, 3.5));
    }

    /// The same from above to below.
    pub fn arrow_down(&mut self, class: &str, (from_x, from_y): (f64, f64), (to_x, to_y): (f64, f64)) {
        let bend = (to_y - from_y) / 2.0;
        let data = curve([(from_x, from_y), (from_x, from_y + bend), (to_x, to_y - bend - 3.0), (to_x, to_y - 3.0)]);
        self.path(class, &data);
        self.head(class, (to_x, to_y), (-3.5, -7.0), (3.5, -7.0));
    }

    fn head(&mut self, class: &str, (x, y): (f64, f64), one: (f64, f64), other: (f64, f64)) {
        let [tip_x, tip_y, one_x, one_y, other_x, other_y] = [x, y, x + one.0, y + one.1, x + other.0, y + other.1].map(number);
        self.push(format_args!("<path class=\"{class} head\" d=\"M{tip_x} {tip_y}L{one_x} {one_y}L{other_x} {other_y}Z\"/>"));
    }

    pub fn circle(&mut self, class: &str, (x, y): (f64, f64), radius: f64, tip: &str) {
        let [x, y, radius] = [x, y, radius].map(number);
        self.push(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"><title>{}</title></circle>", escape(tip)));
    }

    /// The drawing as part of a page.
    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    /// The drawing as a file of its own, with its own colours.
    pub fn finish_alone(self, style: &str) -> String {
        let text = self.finish();
        let (first, rest) = text.split_once(">\n").unwrap_or((&text, ""));
        format!(
            "{first} xmlns=\"http://www.w3.org/2000/svg\">\n<style>{style}</style>\n<rect class=\"sheet\" width=\"100%\" height=\"100%\"/>\n{rest}"
        )
    }
}

fn curve(points: [(f64, f64); 4]) -> String {
    let [from, one, other, to] = points.map(|(x, y)| format!("{} {}", number(x), number(y)));
    format!("M{from}C{one} {other} {to}")
}

/// A coordinate, to a tenth.
pub(super) fn number(value: f64) -> String {
    let text = format!("{:.1}", if value.is_finite() { value } else { 0.0 });
    text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_users_stay_text() {
        assert_eq!(escape("a<b & \"c\"'\u{1}\n"), "a&lt;b &amp; &quot;c&quot;&#39;?\n");
        assert_eq!((shortened("abcdef", 4), shortened_front("abcdef", 4)), ("abc…".to_string(), "…def".to_string()));
        let mut svg = Svg::new((10.0, 5.5), "<>");
        svg.open("box", "\u{0}&");
        svg.text("name", (1.0, f64::NAN), "start", "</text>");
        svg.close();
        let text = svg.finish_alone("text { fill: red }");
        let read = roxmltree::Document::parse(&text).unwrap();
        assert_eq!(
            read.descendants().find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text"))).unwrap().text(),
            Some("</text>")
        );
    }
}
