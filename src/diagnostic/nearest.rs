//! Finds the known name that an unknown name misspells.
//!
//! A plain edit distance suggests too much: `imported` is two letters from `exported`, and `api`
//! one letter from `app`, but these are other words, and suggesting them would change the meaning.
//! So only a *slip* counts:
//!
//! - other letter case or separators (`App_Created`),
//! - two letters exchanged, one missing, one extra, or one wrong (`craeted`, `creatd`),
//! - another ending of the same word (`create` for `created`, `apps` for `app`).
//!
//! If two known names are equally near, neither is suggested.
//!
//! # Examples
//!
//! ```text
//! written   known       distance  slip
//! craeted   created     1         yes: two letters exchanged
//! publsihd  published   2         yes: eight letters or more, and not two other letters
//! create    created     1         yes: another ending
//! expected  exported    2         no: two other letters, another word
//! api       app         1         no: three letters are too few to be sure
//! mailed    failed      1         no: the first letter is another one
//! created2  created     1         no: the digits differ
//! ```
//!
//! A word with another first letter is often another word, so it counts only if the first two
//! letters were exchanged.

/// Returns the edit distance between a written and a known name, if it is small for their length.
pub(crate) fn distance(written: &str, known: &str) -> Option<usize> {
    let (written, known) = (written.to_ascii_lowercase(), known.to_ascii_lowercase());
    let distance = strsim::osa_distance(&written, &known);
    // One letter is always allowed, so that a short name has near ones at all.
    (distance <= 1.max(known.len() / 3)).then_some(distance)
}

/// The maximum length of a name that is compared, in bytes.
pub(crate) const MAX_NAME: usize = 128;

/// Returns the known name that `written` misspells, if exactly one is nearest.
pub(crate) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if written.is_empty() || written.len() > MAX_NAME {
        return None;
    }
    // Once, since each known name is compared with it.
    let written = written.to_ascii_lowercase();
    unique(known.filter_map(|known| Some((slip(&written, &known.to_ascii_lowercase())?, known))))
}

/// Returns the value with the smallest number, if no other value has the same number.
pub(crate) fn unique<T: PartialEq + Copy>(found: impl Iterator<Item = (usize, T)>) -> Option<T> {
    let mut best: Option<(usize, T)> = None;
    let mut tied = false;
    for (number, value) in found {
        match best {
            // The same value may be found more than once, which is no tie.
            Some((least, held)) if number == least => tied |= held != value,
            Some((least, _)) if number > least => {}
            _ => (best, tied) = (Some((number, value)), false),
        }
    }
    best.filter(|_| !tied).map(|(_, value)| value)
}

/// Returns how many letters are wrong in `written`, if it is likely a slip for `known`.
///
/// Both are in lower case.
pub(crate) fn slip(written: &str, known: &str) -> Option<usize> {
    if written == known || bare(written) == bare(known) && !bare(known).is_empty() {
        return Some(0);
    }
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).collect::<String>();
    let length = known.chars().count();
    // `created2` may be another name on purpose, so different digits are never a slip.
    if length < 3 || digits(written) != digits(known) {
        return None;
    }
    let is_ending = |longer: &str, shorter: &str, endings: &[&str]| {
        longer.strip_prefix(shorter).is_some_and(|ending| endings.contains(&ending))
    };
    if written.len() > 2 && is_ending(known, written, &["s", "d", "ed"])
        || is_ending(written, known, &["s"])
    {
        return Some(1);
    }
    let (one, other): (Vec<_>, Vec<_>) = (written.chars().collect(), known.chars().collect());
    // How many places differ shows what the distance does not: an exchange of two letters is one
    // step, and differs in two places.
    let wrong = one.iter().zip(&other).filter(|(a, b)| a != b).count();
    let same_length = one.len() == other.len();
    let starts_alike = one.first() == other.first();
    match strsim::osa_distance(written, known) {
        // Two neighboring letters were exchanged, possibly the first two.
        1 if same_length && wrong == 2 => Some(1),
        1 if !starts_alike => None,
        // A name of three letters with another letter is another word: `api` and `app`.
        1 => (length > 3 || !same_length).then_some(1),
        // A name with two other letters is another word: `expected` and `exported`.
        2 if length >= 8 && starts_alike && !(same_length && wrong == 2) => Some(2),
        _ => None,
    }
}

/// Returns the letters and digits of a word.
pub(crate) fn bare(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_names_for_slips_only() {
        let verbs = ["created", "deleted", "exported", "published", "updated", "failed", "app"];
        let nearest = |written| nearest(written, verbs.into_iter());
        for (written, known) in [
            ("Created", "created"),
            ("craeted", "created"),
            ("rceated", "created"),
            ("creatd", "created"),
            ("createed", "created"),
            ("crested", "created"),
            ("create", "created"),
            ("publish", "published"),
            ("publsihd", "published"),
            ("apps", "app"),
            ("ap", "app"),
            ("app_", "app"),
        ] {
            assert_eq!(nearest(written), Some(known), "{written}");
        }
        for written in [
            "opened",
            "imported",
            "unpublished",
            "expected",
            "uploaded",
            "recreated",
            "started",
            "mailed",
            "api",
            "map",
            "created2",
            "",
            "c",
        ] {
            assert_eq!(nearest(written), None, "{written}");
        }
    }

    #[test]
    fn suggests_nothing_if_two_names_are_equally_near() {
        assert_eq!(nearest("nane", ["name", "nine"].into_iter()), None);
        assert_eq!(nearest("nmae", ["name", "nine"].into_iter()), Some("name"));
    }
}
