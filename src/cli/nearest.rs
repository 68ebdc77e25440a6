//! "Did you mean": the known word that is nearest to one that is not known.

/// The word of `known` with the fewest typing errors (a letter too many, too few, wrong, or two swapped) from `word`.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|candidate| (distance(word, candidate), !shares_start(word, candidate)))
}

fn shares_start(a: &str, b: &str) -> bool {
    a.chars().next() == b.chars().next()
}

/// The number of such errors between two words (optimal string alignment), upper and lower case being the same.
pub fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    let mut before: Vec<usize> = vec![];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let wrong = above[j] + usize::from(a[i] != b[j]);
            let mut best = wrong.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, d) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("kernel", "kernle", 1),
            ("smp", "SMP", 0),
            ("sitting", "kitten", 3),
        ] {
            assert_eq!(distance(a, b), d, "{a} {b}");
            assert_eq!(distance(b, a), d, "{b} {a}");
        }
    }

    #[test]
    fn the_nearest_wins() {
        assert_eq!(nearest("kernle", ["initrd", "kernel", "append"]), Some("kernel"));
        assert_eq!(nearest("qemu46", ["qemu32", "qemu64"]), Some("qemu64"));
        assert_eq!(nearest("x", []), None);
    }
}
