//! A page of tables and charts in one file: nothing is fetched, and it reads on light and on dark.

use super::{chart::Chart, markup::escape};
use std::fmt::Write as _;

/// Rows under a line of names.
///
/// ```
/// use outcore::report::sheet::Table;
/// let table = Table { head: vec!["block".into(), "ms".into()], rows: vec![vec!["1 MiB".into(), "1.5".into()]], ..Table::default() };
/// assert_eq!(table.text(), "block   ms\n1 MiB  1.5");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Stands above it.
    pub title: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// Rows that are shown in bold.
    pub marked: Vec<usize>,
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sheet {
    /// Its title.
    pub title: String,
    /// Names and values above everything: what ran, and where.
    pub facts: Vec<(String, String)>,
    /// Charts.
    pub charts: Vec<Chart>,
    /// Tables.
    pub tables: Vec<Table>,
}

const STYLE: &str = "body{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}\
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .7rem;border-bottom:1px solid #8885;text-align:right}\
td:first-child,th:first-child{text-align:left}dt{font-weight:bold;float:left;clear:left;width:8rem}dd{margin-left:9rem}\
tr.marked{font-weight:bold}svg{width:100%;height:auto}code{white-space:pre-wrap}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#16181c}}";

impl Table {
    /// The table in plain text: the first column to the left, the others to the right.
    #[must_use]
    pub fn text(&self) -> String {
        let rows = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| rows().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let cell = |column: usize, text: &String| match column {
            0 => format!("{text:width$}", width = width(0)),
            _ => format!("  {text:>width$}", width = width(column)),
        };
        let line =
            |row: &Vec<String>| row.iter().enumerate().map(|(column, text)| cell(column, text)).collect::<String>().trim_end().to_string();
        rows().map(line).collect::<Vec<_>>().join("\n")
    }

    fn html(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "<h2>{}</h2>\n<table>", escape(&self.title))?;
        let cells = |row: &[String], tag: &str| row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect::<String>();
        writeln!(text, "<tr>{}</tr>", cells(&self.head, "th"))?;
        for (index, row) in self.rows.iter().enumerate() {
            let class = if self.marked.contains(&index) { " class=\"marked\"" } else { "" };
            writeln!(text, "<tr{class}>{}</tr>", cells(row, "td"))?;
        }
        writeln!(text, "</table>")
    }
}

impl Sheet {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let mut text = String::new();
        let title = escape(&self.title);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>{title}</title>");
        let _ = writeln!(text, "<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<dl>");
        for (name, value) in &self.facts {
            let _ = writeln!(text, "<dt>{}</dt><dd><code>{}</code></dd>", escape(name), escape(value));
        }
        text.push_str("</dl>\n");
        self.charts.iter().for_each(|chart| text.push_str(&chart.svg()));
        for table in &self.tables {
            let _ = table.html(&mut text);
        }
        text.push_str("</body>\n</html>\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_everything_and_a_table_lines_up() {
        let row = |cells: [&str; 2]| cells.map(ToString::to_string).to_vec();
        let table = Table {
            title: "a<b".into(),
            head: row(["name", "ms"]),
            rows: vec![row(["one", "1.5"]), row(["seven", "10"])],
            marked: vec![1],
        };
        assert_eq!(table.text(), "name    ms\none    1.5\nseven   10");
        let sheet =
            Sheet { title: "t & u".into(), facts: vec![("cpu".into(), "<x>".into())], charts: vec![Chart::default()], tables: vec![table] };
        let html = sheet.html();
        for part in [
            "<h1>t &amp; u</h1>",
            "<code>&lt;x&gt;</code>",
            "<svg",
            "a&lt;b",
            "<tr class=\"marked\"><td>seven</td>",
            "prefers-color-scheme",
        ] {
            assert!(html.contains(part), "{part} is not in\n{html}");
        }
    }
}
