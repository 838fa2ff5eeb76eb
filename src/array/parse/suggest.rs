//! The nearest name to one that does not exist.

/// Longest name that is compared: the cost is a product of lengths.
const NAME_CHARS_MAX: usize = 64;

/// The name of `known` nearest to `name`, if it is near enough to have been meant: one typing error in three characters.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.chars().take(NAME_CHARS_MAX + 1).collect();
    if wanted.len() > NAME_CHARS_MAX {
        return None;
    }
    let limit = wanted.len().div_ceil(3).min(3);
    known
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= 4 * limit)
        .map(|candidate| (distance(&wanted, &candidate.chars().take(NAME_CHARS_MAX).collect::<Vec<_>>()), candidate))
        // Replacing every character is no typing error.
        .filter(|&(distance, candidate)| distance <= limit && distance < wanted.len().max(candidate.chars().count()))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`; letter case counts for nothing.
fn distance(a: &[char], b: &[char]) -> usize {
    let same = |x: char, y: char| x.to_lowercase().eq(y.to_lowercase());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (index, row) in rows.iter_mut().enumerate() {
        row[0] = index;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(!same(a[i - 1], b[j - 1]));
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]) {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_name() {
        let known = ["mean", "median", "maximum", "minimum", "sqrt", "x", "std"];
        let cases = [
            ("maen", Some("mean")),
            ("Mean", Some("mean")),
            ("maximun", Some("maximum")),
            ("sqr", Some("sqrt")),
            ("sdt", Some("std")),
            ("y", None),
            ("frobnicate", None),
            ("", None),
        ];
        for (name, want) in cases {
            assert_eq!(nearest(name, known), want, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
    }
}
